//! Users who wait for a connection they asked for. Who is dialled, and how often, is not decided
//! here.

use std::{error::Error, time::Duration};

use libp2p::{Multiaddr, PeerId, core::ConnectedPoint, swarm::DialError};
use rejoin::Time;
use rejoin_core::Address;

use crate::{
    answer::{Answer, ConnectAnswer},
    api::Reply,
    refusal::Refusal,
};

/// Longer than the engine tries.
const WAIT_MAX: Duration = Duration::from_secs(8);

/// Users waiting at once; each is one open request.
const WAITING_MAX: usize = 32;

/// Whom somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    Peer(PeerId),
    Address(Address),
}

/// Everybody who waits.
#[derive(Debug, Default)]
pub struct Connects(Vec<Waiting>);

#[derive(Debug)]
struct Waiting {
    awaited: Awaited,
    began: Time,
    reply: Reply,
}

impl Connects {
    /// Answers when the connection is there, or cannot be had.
    pub fn wait(&mut self, awaited: Awaited, now: Time, reply: Reply) {
        self.0.retain(|waiting| !waiting.reply.is_closed());
        if self.0.len() >= WAITING_MAX {
            let _ = reply.send(Err(Refusal::Busy));
            return;
        }
        self.0.push(Waiting {
            awaited,
            began: now,
            reply,
        });
    }

    /// A connection came up.
    pub fn connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint, now: Time) {
        let address = match endpoint {
            ConnectedPoint::Dialer { address, .. } => without_name(address),
            ConnectedPoint::Listener { .. } => None,
        };
        let is_it = |awaited: &Awaited| match awaited {
            Awaited::Peer(wanted) => *wanted == peer,
            Awaited::Address(wanted) => address.as_ref() == Some(wanted),
        };
        for waiting in self.0.extract_if(.., |waiting| is_it(&waiting.awaited)) {
            let took = now.since(waiting.began);
            let _ = waiting.reply.send(Ok(Answer::Connect(ConnectAnswer {
                peer: peer.to_string(),
                took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                already: false,
            })));
        }
    }

    /// A dial failed.
    pub fn failed(&mut self, peer: Option<PeerId>, error: &DialError) {
        if matches!(
            error,
            DialError::Aborted | DialError::DialPeerConditionFalse(_)
        ) {
            return; // called off in favour of another one
        }
        let tried: Vec<Address> = match error {
            DialError::Transport(tries) => tries
                .iter()
                .filter_map(|(address, _)| without_name(address))
                .collect(),
            DialError::LocalPeerId { address } | DialError::WrongPeerId { address, .. } => {
                without_name(address).into_iter().collect()
            }
            DialError::NoAddresses
            | DialError::DialPeerConditionFalse(_)
            | DialError::Aborted
            | DialError::Denied { .. } => Vec::new(),
        };
        let is_it = |awaited: &Awaited| match awaited {
            Awaited::Peer(wanted) => peer == Some(*wanted),
            Awaited::Address(wanted) => tried.contains(wanted),
        };
        for waiting in self.0.extract_if(.., |waiting| is_it(&waiting.awaited)) {
            let why = in_words(error);
            let _ = waiting.reply.send(Err(Refusal::CannotConnect { why }));
        }
    }

    /// Sends those away who have waited for too long.
    pub fn give_up(&mut self, now: Time) {
        let overdue = |waiting: &mut Waiting| now.since(waiting.began) >= WAIT_MAX;
        for waiting in self.0.extract_if(.., overdue) {
            let why = format!("nothing answered within {} s", WAIT_MAX.as_secs());
            let _ = waiting.reply.send(Err(Refusal::CannotConnect { why }));
        }
    }

    /// When the next one has waited for too long.
    pub fn next_deadline(&self) -> Option<Time> {
        self.0.iter().map(|waiting| waiting.began + WAIT_MAX).min()
    }
}

fn without_name(address: &Multiaddr) -> Option<Address> {
    Address::split(address.clone())
        .ok()
        .map(|(address, _)| address)
}

fn in_words(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "that is this node itself".into(),
        DialError::NoAddresses => "no address of it is known; give one".into(),
        DialError::WrongPeerId { obtained, .. } => {
            format!("somebody else answers there, {obtained}; check the peer id")
        }
        DialError::Denied { cause } => deepest(cause),
        DialError::Transport(tries) => {
            let tries = tries
                .iter()
                .map(|(address, error)| format!("{address}: {}", deepest(error)));
            tries.collect::<Vec<_>>().join("; ")
        }
        DialError::DialPeerConditionFalse(_) | DialError::Aborted => "it was called off".into(),
    }
}

/// The innermost error: the others only say where it happened.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use std::io;

    use libp2p::core::{Endpoint, transport::PortUse};
    use tokio::sync::oneshot;

    use super::*;

    const T: Time = Time::from_millis(1_000);

    #[test]
    fn a_connection_answers_whoever_waits_for_the_peer_or_the_address() {
        let alice = PeerId::random();
        let mut connects = Connects::default();
        let by_name = waiting(&mut connects, Awaited::Peer(alice));
        let by_address = waiting(
            &mut connects,
            Awaited::Address(address("/ip4/8.8.8.8/tcp/1")),
        );
        let other = waiting(&mut connects, Awaited::Peer(PeerId::random()));
        let endpoint = ConnectedPoint::Dialer {
            address: format!("/ip4/8.8.8.8/tcp/1/p2p/{alice}").parse().unwrap(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::Reuse,
        };
        connects.connected(alice, &endpoint, T + Duration::from_millis(7));
        for mut reply in [by_name, by_address] {
            let Ok(Ok(Answer::Connect(answer))) = reply.try_recv() else {
                panic!("no connection");
            };
            assert_eq!((answer.peer, answer.took_ms), (alice.to_string(), 7));
        }
        assert_still_waiting(other);
    }

    #[test]
    fn a_failure_says_why_and_a_dial_called_off_says_nothing() {
        let alice = PeerId::random();
        let mut connects = Connects::default();
        let mut reply = waiting(&mut connects, Awaited::Peer(alice));
        connects.failed(Some(alice), &DialError::Aborted);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let at = "/ip4/8.8.8.8/tcp/1".parse().unwrap();
        let error = libp2p::TransportError::Other(refused);
        connects.failed(Some(alice), &DialError::Transport(vec![(at, error)]));
        let Ok(Err(Refusal::CannotConnect { why })) = reply.try_recv() else {
            panic!("no refusal");
        };
        assert_eq!(why, "/ip4/8.8.8.8/tcp/1: connection refused");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut connects = Connects::default();
        let mut reply = waiting(&mut connects, Awaited::Peer(PeerId::random()));
        let deadline = connects.next_deadline().unwrap();
        connects.give_up(deadline);
        assert!(matches!(
            reply.try_recv(),
            Ok(Err(Refusal::CannotConnect { .. }))
        ));
        assert_eq!(connects.next_deadline(), None);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut connects = Connects::default();
        let anybody = || Awaited::Peer(PeerId::random());
        let mut waiters: Vec<_> = (0..WAITING_MAX)
            .map(|_| waiting(&mut connects, anybody()))
            .collect();
        let mut one_more = waiting(&mut connects, anybody());
        assert!(matches!(one_more.try_recv(), Ok(Err(Refusal::Busy))));
        waiters.pop(); // who has gone away makes room
        assert_still_waiting(waiting(&mut connects, anybody()));
    }

    fn waiting(
        connects: &mut Connects,
        awaited: Awaited,
    ) -> oneshot::Receiver<Result<Answer, Refusal>> {
        let (reply, answer) = oneshot::channel();
        connects.wait(awaited, T, reply);
        answer
    }

    #[track_caller]
    fn assert_still_waiting(mut reply: oneshot::Receiver<Result<Answer, Refusal>>) {
        assert!(matches!(
            reply.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        ));
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }
}
