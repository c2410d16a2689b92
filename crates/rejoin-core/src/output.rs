//! What the engine wants done.

use std::{cmp::Ordering, fmt, time::Duration};

use crate::{
    address::Address, changes::Changes, directory::Directory, input::QuestionId, key::PeerKey,
    record::PeerRecord, reputation::Consequence, score, signed::Envelope, time::Time,
};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a commit is rare and handed on at once; boxing it would tax every reader"
)]
pub enum Output {
    /// Dial a peer.
    Dial(Dial),
    /// Give up a dial. Its end is not to be reported any more; a connection that came up meanwhile
    /// is, as always.
    CancelDial(DialId),
    /// Close every connection to a peer.
    Disconnect {
        /// Who.
        peer: PeerKey,
        /// Why.
        reason: DisconnectReason,
    },
    /// Write this to the store and answer with [`Input::Committed`](crate::Input::Committed). There
    /// is at most one unanswered.
    Commit(Changes),
    /// Read this from the store and answer with [`Input::Recalled`](crate::Input::Recalled), also if
    /// nothing is found or it cannot be read. There is at most one unanswered.
    Recall(Recall),
    /// Ask a relay for a slot, so that others reach us through it, and answer with
    /// [`Input::Reserved`](crate::Input::Reserved) or
    /// [`Input::NotReserved`](crate::Input::NotReserved).
    Reserve(Reserve),
    /// Give a slot back, or stop asking for it.
    Release {
        /// Whose.
        relay: PeerKey,
    },
    /// Sign these addresses as ours and answer with [`Input::Signed`](crate::Input::Signed). Whoever
    /// has no key leaves it; then nobody is told of us.
    Sign(Vec<Address>),
    /// Ask a peer for others and answer with [`Input::PeersTold`](crate::Input::PeersTold) or
    /// [`Input::PeersNotTold`](crate::Input::PeersNotTold).
    AskPeers {
        /// Whom.
        peer: PeerKey,
        /// What to say of ourselves, if anything.
        own: Option<Envelope>,
    },
    /// Answer a peer that asked for others, perhaps with nothing.
    TellPeers {
        /// Which question.
        question: QuestionId,
        /// Signed records, ours first.
        envelopes: Vec<Envelope>,
    },
    /// Tell every neighbour.
    Gossip(Vec<Rumour>),
    /// Ask this for peers and answer with [`Input::Consulted`](crate::Input::Consulted).
    Consult {
        /// The question's name.
        ask: AskId,
        /// What to ask.
        directory: Directory,
        /// After how long to give up.
        within: Duration,
    },
    /// Look for more peers by whatever means the program has beside us.
    Discover,
    /// Something worth telling.
    Event(Event),
}

/// Peers that are in the store and not in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Recall {
    /// These, as far as they are there.
    Peers(Vec<PeerKey>),
    /// The next proven ones by falling rank, equals in order of key.
    Best {
        /// Behind whom; `None` from the first on.
        after: Option<Ranked>,
        /// So many.
        count: usize,
    },
    /// So many proven ones, the lowest rank first.
    Worst(usize),
}

/// Peers out of the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// Who was found.
    pub peers: Vec<PeerRecord>,
    /// Where those by rank go on, by the ranks that the store has; `None` if that was all.
    pub next: Option<Ranked>,
}

impl From<Vec<PeerRecord>> for Recalled {
    fn from(peers: Vec<PeerRecord>) -> Self {
        let next = None;
        Self { peers, next }
    }
}

/// A place in the order of rank: the highest first, equals in order of key.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// The rank; see [`score::rank`].
    pub rank: f64,
    /// Whose.
    pub peer: PeerKey,
}

impl Ranked {
    /// The place of a record.
    pub fn of(record: &PeerRecord) -> Self {
        Self {
            rank: score::rank(record),
            peer: record.key.clone(),
        }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_rank = other.rank.total_cmp(&self.rank);
        by_rank.then_with(|| self.peer.cmp(&other.peer))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// Names one dial, so that its answer finds its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// Names one question to a directory, so that its answer finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// One dial.
#[derive(Clone, Debug, PartialEq)]
pub struct Dial {
    /// Its name.
    pub id: DialId,
    /// Who is expected to answer; `None` for an address whose owner is unknown.
    pub peer: Option<PeerKey>,
    /// Where, best first; all are to be tried at once.
    pub addresses: Vec<Address>,
    /// Why it is made.
    pub lane: Lane,
}

/// A slot to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Which relay.
    pub relay: PeerKey,
    /// Where it is, if we are not connected with it.
    pub address: Address,
}

/// Why a dial is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Remembered and next in order.
    Memory,
    /// Out of order, to learn.
    Explore,
    /// A bootstrap server.
    Bootstrap,
    /// Only to test hearsay.
    Feeler,
    /// The user wants it.
    Manual,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 5] = [
        Self::Memory,
        Self::Explore,
        Self::Bootstrap,
        Self::Feeler,
        Self::Manual,
    ];
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Explore => "explore",
            Self::Bootstrap => "bootstrap",
            Self::Feeler => "feeler",
            Self::Manual => "manual",
        })
    }
}

/// One signed record on its way through the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rumour {
    /// The record.
    pub envelope: Envelope,
    /// How many nodes have passed it on, its owner not among them.
    pub hops: u8,
}

/// Why a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The peer is blocked.
    Blocked,
    /// The peer is being forgotten.
    Forgotten,
    /// It was only a test, and the next one has got through.
    FeelerDone,
    /// Nothing came from it for too long, or since the machine woke.
    Stale,
    /// There are too many connections, and others are worth more.
    Surplus,
    /// It did what nobody should.
    Misbehaved,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A peer is connected.
    Connected {
        /// Who.
        peer: PeerKey,
        /// How many there are now.
        connections: usize,
        /// Whether it was dialled out of memory.
        remembered: bool,
    },
    /// A peer is gone.
    Disconnected {
        /// Who.
        peer: PeerKey,
        /// How many there are left.
        connections: usize,
    },
    /// As many connections as wanted, for the first time since they were missing.
    TargetReached {
        /// How long it took.
        took: Duration,
    },
    /// Nothing answers at all: from here on it counts as our own outage.
    OutageBegan,
    /// Something answers again.
    OutageEnded {
        /// How long it lasted.
        lasted: Duration,
    },
    /// Retention forgot or demoted peers.
    Pruned(crate::retention::PruneReport),
    /// A peer did more than is tolerated.
    Misbehaved {
        /// Who.
        peer: PeerKey,
        /// What it has brought upon itself.
        consequence: Consequence,
    },
    /// What had to be put right in what was loaded.
    Repaired {
        /// Values that made no sense, such as times ahead of now.
        values: usize,
    },
}

/// When the engine wants to be called again, and why; the reason is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// When.
    pub at: Time,
    /// Why.
    pub reason: &'static str,
}

impl Timeout {
    /// The earlier of two, where either may be missing.
    pub fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.at < one.at => Some(other),
            (None, other) => other,
            (one, _) => one,
        }
    }
}
