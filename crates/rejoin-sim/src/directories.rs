//! Directories in the simulation: DNS names, rendezvous servers and URLs, each of which answers, or
//! does not, as the scenario has it.

use std::time::Duration;

use rejoin_core::{Address, AskId, Command, Directory, Failure, Input, PeerKey};

use crate::{
    chance::{self, Subject},
    shell::Line,
    sim::{Happening, Sim},
    world::HostState,
};

/// What comes of asking a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// It names so many live peers, drawn anew each time, after so long.
    Names(usize, Duration),
    /// It names so many peers that do not exist.
    MakesUp(usize, Duration),
    /// It says something useless.
    Fails(Duration),
    /// Nothing ever comes back.
    Never,
}

impl Sim {
    /// From now on this directory answers like that; the node is told of it if it runs.
    pub fn directory(&mut self, directory: &Directory, answering: Answering) {
        self.note(format_args!("{directory}: {answering:?}"));
        let mut known = self.config.directories.iter_mut();
        match known.find(|(known, _)| known == directory) {
            Some((_, before)) => *before = answering,
            None => self.config.directories.push((directory.clone(), answering)),
        }
        self.tell(Input::Command(Command::AddDirectory(directory.clone())));
    }

    /// How often a directory was asked, over all runs of the program.
    pub fn consulted(&self, directory: &Directory) -> usize {
        self.asked.get(directory).copied().unwrap_or_default()
    }

    pub(crate) fn consult(&mut self, ask: AskId, directory: Directory, within: Duration) {
        self.note(format_args!("alice ?-> {directory}"));
        let Some(life) = self.node.as_ref().map(|node| node.life) else {
            return;
        };
        let mut known = self.config.directories.iter();
        let answering = known.find(|(known, _)| *known == directory);
        let answering = answering.map_or(Answering::Never, |(_, answering)| *answering);
        let nth = self.consulted(&directory);
        *self.asked.entry(directory).or_default() += 1;
        let (after, found) = match (self.line, answering) {
            (Line::Unreachable, _) => (Duration::ZERO, Err(Failure::Unreachable)),
            (Line::Silent, _) | (Line::Up, Answering::Never) => (within, Err(Failure::Silent)),
            (Line::Up, Answering::Names(count, after)) => (after, Ok(self.some_of(count, nth))),
            (Line::Up, Answering::MakesUp(count, after)) => (after, Ok(made_up(count, nth))),
            (Line::Up, Answering::Fails(after)) => (after, Err(Failure::Handshake)),
        };
        let input = Input::Consulted { ask, found };
        self.after(after, Happening::Tell { life, input });
    }

    fn some_of(&self, count: usize, nth: usize) -> Vec<(PeerKey, Vec<Address>)> {
        let mut rng = chance::rng(self.seed(), Subject::Directory, nth as u64, 0);
        let hosts = self.world.hosts();
        let mut alive: Vec<_> = hosts
            .filter(|(_, host)| host.state == HostState::Alive && !host.bootstrap)
            .map(|(_, host)| (host.key.clone(), host.addresses.clone()))
            .collect();
        rng.shuffle(&mut alive);
        alive.truncate(count);
        alive
    }
}

/// Peers of which each lives in a public /16 as good as its own.
fn made_up(count: usize, nth: usize) -> Vec<(PeerKey, Vec<Address>)> {
    let peer = |n: usize| {
        let name = format!("made-up-{nth}-{n}");
        let key = name.parse().expect("a short name is a valid key");
        let [_, _, a, b] = u32::try_from(n).expect("not that many").to_be_bytes();
        let address = format!("/ip4/{}.{b}.7.7/tcp/4001", 11 + a % 80);
        (key, vec![address.parse().expect("an address")])
    };
    (0..count).map(peer).collect()
}
