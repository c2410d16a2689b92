//! What a program can ask of the behaviour and tell it. Each is one step to the engine and back;
//! nothing is decided here.

use std::{net::IpAddr, time::Duration};

use libp2p::{Multiaddr, PeerId, identify, ping};
use rejoin_core::{
    Address, AddressError, AskId, Choice, Command, Deed, DialTrace, Directory, Explanation,
    Failure, Input, LocalNetwork, Note, NoteError, PeerKey, PeerRecord, Purpose, Severity, Source,
    Status, Tested, retention::PruneReport,
};

use crate::{behaviour::Behaviour, gossip, way};

impl Behaviour {
    /// Connects to a peer, whatever its record says. Without a name, it is taken from the addresses;
    /// without addresses, those we remember are tried.
    ///
    /// # Errors
    /// If there is neither a name nor an address that can be dialled.
    pub fn connect(
        &mut self,
        peer: impl Into<Option<PeerId>>,
        addresses: impl IntoIterator<Item = Multiaddr>,
    ) -> Result<(), AddressError> {
        let mut peer: Option<PeerKey> = peer.into().map(PeerKey::from);
        let mut usable = Vec::new();
        let mut refused = None;
        for address in addresses {
            match Address::split(address) {
                // An address that names somebody else is not this peer's.
                Ok((_, Some(named))) if peer.as_ref().is_some_and(|peer| *peer != named) => {}
                Ok((address, named)) => {
                    peer = peer.or(named);
                    usable.push(address);
                }
                Err(error) => refused = Some(error),
            }
        }
        if usable.is_empty() && peer.is_none() {
            return Err(refused.unwrap_or(AddressError::Empty));
        }
        self.command(Command::Connect {
            peer,
            addresses: usable,
        });
        Ok(())
    }

    /// Names a bootstrap server: asked when memory does not suffice.
    ///
    /// # Errors
    /// If the address is too long, or nothing but a name.
    pub fn add_bootstrap(&mut self, address: Multiaddr) -> Result<(), AddressError> {
        let (address, peer) = Address::split(address)?;
        self.command(Command::AddBootstrap { peer, address });
        Ok(())
    }

    /// Names something else to ask for peers. It is asked by the program, in answer to
    /// [`Event::Consult`](crate::Event::Consult).
    pub fn add_directory(&mut self, directory: Directory) {
        self.command(Command::AddDirectory(directory));
    }

    /// What became of an [`Event::Consult`](crate::Event::Consult): whom the directory named, or why
    /// it named nobody. A `/p2p/…` at the end of an address is the peer's name; addresses without
    /// one, and those beyond what a record holds, are left out; the list itself is to be bounded by
    /// whoever reads it.
    pub fn consulted(&mut self, ask: AskId, found: Result<Vec<Multiaddr>, Failure>) {
        let found = found.map(way::by_peer);
        self.tell(Input::Consulted { ask, found });
    }

    /// Passes on what somebody told us of a peer. It is hearsay until we have met the peer.
    pub fn heard(
        &mut self,
        source: Source,
        peer: PeerId,
        addresses: impl IntoIterator<Item = Multiaddr>,
    ) {
        let peer = PeerKey::from(peer);
        let addresses = addresses
            .into_iter()
            .filter_map(|address| way::stripped_of(&peer, address))
            .take(rejoin_core::record::ADDRESSES_MAX)
            .collect();
        self.tell(Input::Heard {
            source,
            teller: None,
            peers: vec![(peer, addresses)],
        });
    }

    /// Never forgets this peer, and tries it first.
    pub fn pin(&mut self, peer: PeerId) {
        self.command(Command::Pin(peer.into()));
    }

    /// Treats it like any other again.
    pub fn unpin(&mut self, peer: PeerId) {
        self.command(Command::Unpin(peer.into()));
    }

    /// Neither dials nor accepts this peer for so long, and closes its connections.
    pub fn block(&mut self, peer: PeerId, span: Duration) {
        let peer = peer.into();
        self.command(Command::Block { peer, span });
    }

    /// Deals with it again, and holds nothing against it that it did lately.
    pub fn unblock(&mut self, peer: PeerId) {
        self.command(Command::Unblock(peer.into()));
    }

    /// Writes down something of the application's own about this peer, or erases it. It shows in
    /// [`Self::peer`], and goes wherever the memory goes; a secret only where that is sealed.
    ///
    /// # Errors
    /// If there is no room for it. Nothing has changed then.
    pub fn note(&mut self, peer: PeerId, note: Note) -> Result<(), NoteError> {
        note.check(self.peer(peer))?;
        let peer = peer.into();
        self.command(Command::Note { peer, note });
        Ok(())
    }

    /// Forgets this peer.
    pub fn forget(&mut self, peer: PeerId) {
        self.command(Command::Forget(peer.into()));
    }

    /// Forgets the failures of a host.
    pub fn clear_host(&mut self, host: IpAddr) {
        self.command(Command::ClearHost(host));
    }

    /// Wants so many connections from now on.
    pub fn set_target(&mut self, connections: usize) {
        self.command(Command::SetTarget(connections));
    }

    /// Applies the retention rules now.
    pub fn prune(&mut self) {
        self.command(Command::Prune);
    }

    /// Any other wish.
    pub fn command(&mut self, command: Command) {
        self.tell(Input::Command(command));
    }

    /// A transfer with this peer ended well.
    pub fn transfer_ok(&mut self, peer: PeerId, bytes_in: u64, bytes_out: u64) {
        self.judge(
            peer,
            Deed::TransferOk {
                bytes_in,
                bytes_out,
            },
        );
    }

    /// A transfer with this peer broke off.
    pub fn transfer_failed(&mut self, peer: PeerId) {
        self.judge(peer, Deed::TransferFailed);
    }

    /// This peer sent something invalid. Once what it did lately is more than is tolerated, its
    /// connections are closed and it stays out for some time; see [`rejoin_core::reputation`].
    pub fn invalid_data(&mut self, peer: PeerId, severity: Severity) {
        self.judge(peer, Deed::InvalidData(severity));
    }

    /// This peer broke a limit of a protocol: too many records at once, too many requests, a message
    /// too large.
    pub fn overstepped(&mut self, peer: PeerId) {
        self.judge(peer, Deed::Overstepped);
    }

    /// This peer sent us something: a sign of life.
    pub fn received(&mut self, peer: PeerId) {
        self.tell(Input::Received { peer: peer.into() });
    }

    /// Takes in an event of the program's own identify. Needed only if ours is left out.
    pub fn on_identify(&mut self, event: &identify::Event) {
        if let Some(input) = self.translator.on_identify(event) {
            self.tell(input);
        }
    }

    /// Takes in an event of the program's own ping. Needed only if ours is left out.
    pub fn on_ping(&mut self, event: &ping::Event) {
        if let Some(input) = self.translator.on_ping(event) {
            self.tell(input);
        }
    }

    /// Passes on that a peer, asked to, tried to reach us at an address of ours: what AutoNAT finds
    /// out. While nobody reaches us, slots at relays are asked for; that takes the relay client of
    /// libp2p in the swarm.
    pub fn tested(&mut self, address: Multiaddr, by: PeerId, outcome: Tested) {
        // One that is too long to be kept is not worth telling.
        if let Ok((address, _)) = Address::split(address) {
            let by = by.into();
            self.tell(Input::Tested {
                address,
                by,
                outcome,
            });
        }
    }

    /// Names a relay through which we want to be reached, whether others can come straight or not.
    ///
    /// # Errors
    /// If the address is too long, or nothing but a name.
    pub fn add_relay(&mut self, relay: PeerId, address: Multiaddr) -> Result<(), AddressError> {
        let (address, _) = Address::split(address)?;
        let relay = relay.into();
        self.command(Command::AddRelay { relay, address });
        Ok(())
    }

    /// Takes in a round of gossip that this neighbour published. Not to be forwarded: tell gossipsub to
    /// ignore it after reading, see [`gossip_topic`](crate::gossip_topic).
    pub fn on_gossip(&mut self, neighbour: PeerId, message: &[u8]) {
        let most = self.engine.config().exchange.gossip_max;
        self.tell(Input::Gossiped {
            peer: neighbour.into(),
            words: gossip::read(message, most),
        });
    }

    /// Names the place where we are, such as by the gateway's address; `None` where unknown. At a
    /// known place the addresses that worked there go first.
    pub fn set_place(&mut self, place: Option<Vec<u8>>) {
        self.surroundings.set_place(place);
    }

    /// The networks our interfaces are on, where the program knows better: otherwise a /24 or a /64
    /// around every address we listen on.
    pub fn set_networks(&mut self, networks: Vec<LocalNetwork>) {
        self.surroundings.set_networks(networks);
    }

    /// The machine slept, or its network came back. A long sleep is noticed without being told.
    pub fn woke(&mut self) {
        self.tell(Input::Woke);
    }

    /// The state of things.
    pub fn status(&self) -> Status {
        self.engine.status(self.clock.peek())
    }

    /// Nothing waits to be saved, and no save is under way. After [`Behaviour::shutdown`] it becomes
    /// true once the shelf has taken everything.
    pub fn is_saved(&self) -> bool {
        self.engine.is_saved()
    }

    /// Everybody in memory.
    pub fn peers(&self) -> impl Iterator<Item = &PeerRecord> {
        self.engine.peers()
    }

    /// What is remembered of one peer.
    pub fn peer(&self, peer: PeerId) -> Option<&PeerRecord> {
        self.engine.peer(&peer.into())
    }

    /// Why a peer has the score it has; `None` if it is unknown.
    pub fn explain(&self, peer: PeerId) -> Option<Explanation> {
        self.engine.explain(&peer.into(), self.clock.peek())
    }

    /// How we stand to a peer, from −100 to 1: above zero its score, below zero what it did lately
    /// that nobody should, −100 while we do not deal with it; a stranger is at 0.
    ///
    /// Made for gossipsub's application-specific score. Whom the engine sends away is at −20 or less,
    /// or a little above while the user keeps it pinned, so:
    ///
    /// ```
    /// use libp2p::{
    ///     PeerId,
    ///     gossipsub::{self, PeerScoreParams, PeerScoreThresholds},
    /// };
    /// use rejoin_libp2p::Behaviour;
    ///
    /// /// Once, before anybody is connected.
    /// fn begin(gossip: &mut gossipsub::Behaviour) -> Result<(), String> {
    ///     let params = PeerScoreParams {
    ///         app_specific_weight: 1.0,
    ///         ..PeerScoreParams::default()
    ///     };
    ///     let thresholds = PeerScoreThresholds {
    ///         gossip_threshold: -10.0,
    ///         publish_threshold: -10.0,
    ///         graylist_threshold: -19.0,
    ///         ..PeerScoreThresholds::default()
    ///     };
    ///     gossip.with_peer_score(params, thresholds)
    /// }
    ///
    /// /// When a peer connects, upon `Event::Misbehaved`, and for everybody every few seconds.
    /// fn tell(gossip: &mut gossipsub::Behaviour, memory: &Behaviour, peer: PeerId) {
    ///     gossip.set_application_score(&peer, memory.standing(peer));
    /// }
    /// ```
    pub fn standing(&self, peer: PeerId) -> f64 {
        self.engine.standing(&peer.into(), self.clock.peek())
    }

    /// The `k` peers in memory that suit a purpose best, the best first, connected or not.
    pub fn best_for(&self, purpose: Purpose, k: usize) -> Vec<Choice<'_>> {
        self.engine.best_for(purpose, k, self.clock.peek())
    }

    /// Why a peer suits a purpose as well as it does; `None` if it is unknown.
    pub fn explain_for(&self, peer: PeerId, purpose: Purpose) -> Option<Explanation> {
        self.engine
            .explain_for(&peer.into(), purpose, self.clock.peek())
    }

    /// What the retention rules would do now, and why.
    pub fn prune_dry_run(&self) -> PruneReport {
        self.engine.prune_dry_run(self.clock.peek())
    }

    /// The dials of the last return to the network, oldest first.
    pub fn timeline(&self) -> impl Iterator<Item = &DialTrace> {
        self.engine.timeline()
    }

    fn judge(&mut self, peer: PeerId, deed: Deed) {
        let peer = peer.into();
        self.tell(Input::Judged { peer, deed });
    }
}
