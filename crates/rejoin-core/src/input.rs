//! What the world tells the engine.

use std::{net::IpAddr, time::Duration};

use crate::{
    address::Address,
    directory::Directory,
    evidence::{ConnectionKind, Severity},
    key::PeerKey,
    notes::Note,
    output::{AskId, DialId, Recalled},
    reach::{LocalNetwork, Scope},
    record::PeerRecord,
    signed::SignedPeer,
    source::Source,
};

/// What happened. Every branch of the engine begins here, so a run can be recorded, replayed and
/// fuzzed.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Nothing but that time has passed.
    Tick,
    /// The first authenticated connection to a peer is up. Further ones are not reported.
    Connected(Connected),
    /// A peer that was connected through relays only is connected straight now, beside them or in
    /// their place.
    Rerouted(Rerouted),
    /// The last connection to a peer is gone.
    Disconnected {
        /// Who.
        peer: PeerKey,
    },
    /// A dial of ours ended without a connection. Not to be reported for a dial the engine
    /// cancelled.
    DialFailed {
        /// Which.
        dial: DialId,
        /// What became of each address that was tried.
        failures: Vec<AddressFailure>,
    },
    /// A dial of ours was not made, for no fault of the peer: the swarm refused it, or it is
    /// connected or being dialled already.
    DialNotMade {
        /// Which.
        dial: DialId,
    },
    /// A peer told us about itself over its own connection.
    Identified(Identified),
    /// A round trip to a connected peer was measured: it answered.
    Latency {
        /// Who.
        peer: PeerKey,
        /// How long it took.
        rtt: Duration,
    },
    /// A connected peer sent us something.
    Received {
        /// Who.
        peer: PeerKey,
    },
    /// Somebody told us of peers.
    Heard {
        /// Who told us.
        source: Source,
        /// How far away the teller is, if it is a connected peer.
        teller: Option<Scope>,
        /// Whom, and where they are said to be. All beyond
        /// [`Config::heard_max`](crate::Config::heard_max) are ignored.
        peers: Vec<(PeerKey, Vec<Address>)>,
    },
    /// Our own addresses are signed, as [`Output::Sign`](crate::Output::Sign) wanted.
    Signed(SignedPeer),
    /// A peer asks us for others. To be answered with
    /// [`Output::TellPeers`](crate::Output::TellPeers), which follows at once.
    PeersAsked {
        /// Who.
        peer: PeerKey,
        /// Names the question.
        question: QuestionId,
        /// What it says of itself, if anything.
        own: Option<SignedPeer>,
    },
    /// A peer answered [`Output::AskPeers`](crate::Output::AskPeers).
    PeersTold {
        /// Who.
        peer: PeerKey,
        /// What it told.
        words: Vec<Word>,
    },
    /// A peer did not answer [`Output::AskPeers`](crate::Output::AskPeers).
    PeersNotTold {
        /// Who.
        peer: PeerKey,
    },
    /// A peer told us of others unasked.
    Gossiped {
        /// Who brought it to us.
        peer: PeerKey,
        /// What it told, each with the number of hops it had come.
        words: Vec<(Word, u8)>,
    },
    /// What became of a [`Consult`](crate::Output::Consult).
    Consulted {
        /// Which.
        ask: AskId,
        /// Whom it named, and where these are said to be; or why it named nobody. Of more than
        /// [`Config::heard_max`](crate::Config::heard_max) so many are drawn.
        found: Result<Vec<(PeerKey, Vec<Address>)>, Failure>,
    },
    /// The application's judgement of what a peer did.
    Judged {
        /// Who.
        peer: PeerKey,
        /// What.
        deed: Deed,
    },
    /// Where we are has changed: addresses of our own, networks, or the place as a whole.
    Moved {
        /// Our own addresses.
        own: Vec<Address>,
        /// The networks our interfaces are on.
        networks: Vec<LocalNetwork>,
        /// What names this place, such as the gateway's address, in bytes; `None` where unknown.
        place: Option<Vec<u8>>,
    },
    /// A peer tried to reach us at an address of ours, as we had asked it to.
    Tested {
        /// Which address.
        address: Address,
        /// Who tried.
        by: PeerKey,
        /// What came of it.
        outcome: Tested,
    },
    /// A relay keeps a slot for us, as [`Reserve`](crate::Output::Reserve) asked for. May be told
    /// more than once.
    Reserved {
        /// Which.
        relay: PeerKey,
    },
    /// A relay keeps no slot for us: it refused, could not be reached, or the slot is lost. Not to
    /// be reported for a slot the engine released.
    NotReserved {
        /// Which.
        relay: PeerKey,
    },
    /// The machine slept, or its network came back: old failures mean little.
    Woke,
    /// The user wants something.
    Command(Command),
    /// A part of the memory that was not in the snapshot. Comes before the answer to any commit that was
    /// made after it was read, or whom that commit forgets would be back.
    Loaded(Vec<PeerRecord>),
    /// All of the memory that there is room for is loaded; so many proven peers are in the store beside
    /// those.
    Shelved(usize),
    /// What the last [`Recall`](crate::Output::Recall) asked for, as far as it is there. In one order
    /// with the answers to commits, as [`Loaded`](Self::Loaded).
    Recalled(Recalled),
    /// What became of the last [`Commit`](crate::Output::Commit).
    Committed {
        /// Whether it is on the disk. If not, it will be handed out again.
        ok: bool,
    },
    /// We are about to stop: what is still unsaved is handed out at once, and no dial follows.
    Shutdown,
}

/// One record that came from another peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is signed by whom it speaks of.
    Signed(SignedPeer),
    /// It is too long, cannot be read, or its signature is wrong.
    Broken,
}

/// Names one question of another peer, so that our answer finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// A connection that has come up.
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// Who is authenticated at the other end.
    pub peer: PeerKey,
    /// Where it was reached, or where it came from.
    pub address: Address,
    /// Who began.
    pub direction: Direction,
    /// How it reaches the peer.
    pub kind: ConnectionKind,
    /// Addresses that failed before this one worked.
    pub failures: Vec<AddressFailure>,
}

/// A straight connection to a peer that had only relayed ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Rerouted {
    /// Who.
    pub peer: PeerKey,
    /// The address we dialled; `None` if the peer dialled us.
    pub dialled: Option<Address>,
    /// How it reaches the peer.
    pub kind: ConnectionKind,
}

/// What came of a try to reach us from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tested {
    /// It led to us.
    Reached,
    /// It did not.
    Failed,
}

/// Who began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We did, and this was the dial; `None` if another part of the program dialled.
    Outbound(Option<DialId>),
    /// The peer did.
    Inbound,
}

/// What became of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFailure {
    /// Which.
    pub address: Address,
    /// What.
    pub failure: Failure,
}

/// Why an address did not lead to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The host said that nobody listens.
    Refused,
    /// Nothing came back in time.
    Silent,
    /// Our own machine knows no way there.
    Unreachable,
    /// Somebody else lives there: the address is wrong, the peer may be fine.
    WrongPeer,
    /// Somebody answered, but the handshake failed.
    Handshake,
    /// Our program cannot dial such an address.
    Unsupported,
    /// Something else.
    Other,
}

/// What a peer says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified {
    /// Who.
    pub peer: PeerKey,
    /// Where it says it listens.
    pub addresses: Vec<Address>,
    /// The program it runs.
    pub agent: String,
    /// The protocols it speaks.
    pub protocols: Vec<String>,
    /// Its public key, protobuf-encoded.
    pub public_key: Vec<u8>,
    /// How far away it is, by the connection it said this over.
    pub scope: Scope,
}

/// What a peer did, in the application's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A transfer ended well.
    TransferOk {
        /// Bytes received.
        bytes_in: u64,
        /// Bytes sent.
        bytes_out: u64,
    },
    /// A transfer broke off.
    TransferFailed,
    /// It sent something invalid.
    InvalidData(Severity),
    /// It broke a limit of a protocol: too many records at once, too many requests, a message too
    /// large.
    Overstepped,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Connect to this peer, whatever its record says; the peer may be unknown.
    Connect {
        /// Who, if its name is known.
        peer: Option<PeerKey>,
        /// Where, beside what is remembered.
        addresses: Vec<Address>,
    },
    /// A bootstrap server.
    AddBootstrap {
        /// Who, if its name is known.
        peer: Option<PeerKey>,
        /// Where.
        address: Address,
    },
    /// Something else to ask for peers.
    AddDirectory(Directory),
    /// A relay the user wants to be reached through, whether others can reach us directly or not.
    AddRelay {
        /// Who.
        relay: PeerKey,
        /// Where.
        address: Address,
    },
    /// Never forget this peer, and try it first.
    Pin(PeerKey),
    /// Treat it like any other again.
    Unpin(PeerKey),
    /// Neither dial nor accept it for so long.
    Block {
        /// Who.
        peer: PeerKey,
        /// How long.
        span: Duration,
    },
    /// Deal with it again, and hold nothing against it that it did lately.
    Unblock(PeerKey),
    /// Write down what the application wants remembered of it. It may be unknown so far; pin it if it
    /// must never be forgotten with its notes. A note there is no room for is left out: see
    /// [`Note::check`].
    Note {
        /// Who.
        peer: PeerKey,
        /// What.
        note: Note,
    },
    /// Forget it.
    Forget(PeerKey),
    /// Apply the retention rules now.
    Prune,
    /// Forget the failures of this host.
    ClearHost(IpAddr),
    /// Want so many connections from now on.
    SetTarget(usize),
}
