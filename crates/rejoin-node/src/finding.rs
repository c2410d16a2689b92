//! The doctor's findings: data that travels as JSON, and the only place with their words. When one
//! is found is decided in `diagnosis`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::print::{count, in_words};

/// One thing the doctor saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Finding {
    NotRunning,
    NodeSilent {
        why: String,
    },
    NoListener,
    ReachedFromInternet,
    ReachedOnLan,
    ReachedByRelay {
        relays: Vec<String>,
    },
    OnlyThisMachine,
    NotReached,
    NotReachedStraight,
    ReachNotKnown {
        testers: usize,
    },
    NoRelayKnown,
    CarrierNat {
        address: String,
    },
    OnlyPrivate,
    RouterSilent,
    RouterShadowed,
    RouterNotAsked,
    RouterOpened,
    OwnOutage {
        since_ms: u64,
    },
    Connected {
        connections: usize,
        target: usize,
    },
    KnowsNobody,
    NobodyAnswers {
        known: usize,
        dials: u64,
    },
    SourcesSilent {
        open: usize,
        of: usize,
        connected: bool,
    },
    ClockBeforeProgram {
        behind_ms: u64,
    },
    MemoryAheadOfClock {
        ahead_ms: u64,
    },
    ClockPlausible,
    ValuesRepaired {
        values: usize,
    },
    NotWritable {
        path: String,
        why: String,
    },
    StoreClosed {
        why: String,
    },
    StoreDamaged {
        notice: String,
    },
    StoreReplaced {
        notice: String,
    },
    NotSaved {
        failures: u32,
        unsaved: usize,
    },
    DiskFull {
        free_bytes: u64,
    },
    StoreForgets,
    NothingKept,
    StoreWell {
        store: String,
        /// How long ago something was last saved.
        saved_ms: Option<u64>,
    },
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Well,
    /// Worth knowing; the node does its work all the same.
    Note,
    /// Somebody should do something.
    Trouble,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    Node,
    Reach,
    Peers,
    Clock,
    Store,
}

impl Finding {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        use Finding as F;
        match self {
            F::NotRunning | F::NodeSilent { .. } => Subject::Node,
            F::NoListener
            | F::ReachedFromInternet
            | F::ReachedOnLan
            | F::ReachedByRelay { .. }
            | F::OnlyThisMachine
            | F::NotReached
            | F::NotReachedStraight
            | F::ReachNotKnown { .. }
            | F::NoRelayKnown
            | F::CarrierNat { .. }
            | F::OnlyPrivate
            | F::RouterSilent
            | F::RouterShadowed
            | F::RouterNotAsked
            | F::RouterOpened => Subject::Reach,
            F::OwnOutage { .. }
            | F::Connected { .. }
            | F::KnowsNobody
            | F::NobodyAnswers { .. }
            | F::SourcesSilent { .. } => Subject::Peers,
            F::ClockBeforeProgram { .. }
            | F::MemoryAheadOfClock { .. }
            | F::ClockPlausible
            | F::ValuesRepaired { .. } => Subject::Clock,
            F::NotWritable { .. }
            | F::StoreClosed { .. }
            | F::StoreDamaged { .. }
            | F::StoreReplaced { .. }
            | F::NotSaved { .. }
            | F::DiskFull { .. }
            | F::StoreForgets
            | F::NothingKept
            | F::StoreWell { .. } => Subject::Store,
        }
    }

    /// How bad it is.
    pub fn level(&self) -> Level {
        use Finding as F;
        match self {
            F::ReachedFromInternet
            | F::ReachedOnLan
            | F::ReachedByRelay { .. }
            | F::RouterOpened
            | F::Connected { .. }
            | F::ClockPlausible
            | F::StoreWell { .. } => Level::Well,
            F::NotRunning
            | F::OnlyThisMachine
            | F::NotReachedStraight
            | F::ReachNotKnown { .. }
            | F::NoRelayKnown
            | F::CarrierNat { .. }
            | F::OnlyPrivate
            | F::RouterSilent
            | F::RouterShadowed
            | F::RouterNotAsked
            | F::SourcesSilent {
                connected: true, ..
            }
            | F::ValuesRepaired { .. }
            | F::StoreReplaced { .. }
            | F::StoreForgets
            | F::NothingKept => Level::Note,
            F::NodeSilent { .. }
            | F::NoListener
            | F::NotReached
            | F::OwnOutage { .. }
            | F::KnowsNobody
            | F::NobodyAnswers { .. }
            | F::SourcesSilent {
                connected: false, ..
            }
            | F::ClockBeforeProgram { .. }
            | F::MemoryAheadOfClock { .. }
            | F::NotWritable { .. }
            | F::StoreClosed { .. }
            | F::StoreDamaged { .. }
            | F::NotSaved { .. }
            | F::DiskFull { .. } => Level::Trouble,
        }
    }

    /// What was found, in one sentence.
    pub fn what(&self) -> String {
        use Finding as F;
        match self {
            F::NotRunning => {
                "no node runs here, so nothing can be said about reach and peers".into()
            }
            F::NodeSilent { why } => format!("a node runs here and does not answer: {why}"),
            F::NoListener => "the node listens nowhere, and no relay keeps a slot for it".into(),
            F::ReachedFromInternet => "others on the internet can come straight to us".into(),
            F::ReachedOnLan => "others on our LAN can come straight to us".into(),
            F::ReachedByRelay { relays } => {
                let through = count(relays.len(), "relay");
                format!("others can reach us through {through}")
            }
            F::OnlyThisMachine => {
                "the node listens on this machine only; nobody else can reach it".into()
            }
            F::NotReached => {
                "peers tried our addresses from the internet, and none led to us".into()
            }
            F::NotReachedStraight => {
                "peers tried our addresses from the internet, and only relays lead to us".into()
            }
            F::ReachNotKnown { testers: 0 } => {
                "whether we can be reached is not known yet: no connected peer can try it".into()
            }
            F::ReachNotKnown { testers } => {
                let who = count(*testers, "connected peer");
                format!("whether we can be reached is not known yet; {who} can try it")
            }
            F::NoRelayKnown => "no relay is known that could help".into(),
            F::CarrierNat { address } => format!(
                "{address} belongs to a carrier that shares one address among its customers"
            ),
            F::OnlyPrivate => "none of our own addresses is one of the internet".into(),
            F::RouterSilent => "no router answers to UPnP".into(),
            F::RouterShadowed => {
                "the router has no address on the internet itself; another one stands before it"
                    .into()
            }
            F::RouterNotAsked => "the router is not asked to let others in".into(),
            F::RouterOpened => "the router lets others in, as it was asked to by UPnP".into(),
            F::OwnOutage { since_ms } => {
                format!(
                    "nothing answers at all since {}; it must be our own line",
                    span(*since_ms)
                )
            }
            F::Connected {
                connections,
                target,
            } => format!("{} connected, {target} wanted", count(*connections, "peer")),
            F::KnowsNobody => {
                "nobody is connected, and nobody is known who could be dialled".into()
            }
            F::NobodyAnswers { known, dials } => format!(
                "nobody is connected; {} known, {} made",
                count(*known, "peer"),
                count(usize::try_from(*dials).unwrap_or(usize::MAX), "dial")
            ),
            F::SourcesSilent { open, of, .. } => {
                format!(
                    "{open} of {} failed again and again, and rest",
                    count(*of, "source")
                )
            }
            F::ClockBeforeProgram { behind_ms } => format!(
                "the clock says it is {} before this program was built or installed",
                span(*behind_ms)
            ),
            F::MemoryAheadOfClock { ahead_ms } => {
                format!(
                    "the memory knows moments {} ahead of the clock",
                    span(*ahead_ms)
                )
            }
            F::ClockPlausible => {
                "nothing speaks against the clock; whether it is right nobody here can tell".into()
            }
            F::ValuesRepaired { values } => format!(
                "{} in the memory made no sense, such as times ahead of now, and were put right",
                count(*values, "value")
            ),
            F::NotWritable { path, why } => format!("{path} cannot be written: {why}"),
            F::StoreClosed { why } => format!("the memory cannot be used: {why}"),
            F::StoreDamaged { notice } | F::StoreReplaced { notice } => notice.clone(),
            F::NotSaved { failures, unsaved } => format!(
                "saving failed {} in a row; {} wait",
                count(*failures as usize, "time"),
                count(*unsaved, "change")
            ),
            F::DiskFull { free_bytes } => {
                format!(
                    "only {} MiB are free where the memory lies",
                    free_bytes >> 20
                )
            }
            F::StoreForgets => "the memory ends with the run: its store is memory:".into(),
            F::NothingKept => "nothing has been kept here yet".into(),
            F::StoreWell {
                store,
                saved_ms: None,
            } => format!("{store} can be read and written"),
            F::StoreWell {
                store,
                saved_ms: Some(ago),
            } => format!(
                "{store} can be read and written, and was last saved {} ago",
                span(*ago)
            ),
        }
    }

    /// What to do about it, in one sentence; `None` where there is nothing to do.
    pub fn remedy(&self) -> Option<&'static str> {
        use Finding as F;
        Some(match self {
            F::ReachedFromInternet
            | F::ReachedOnLan
            | F::ReachedByRelay { .. }
            | F::RouterOpened
            | F::Connected { .. }
            | F::StoreWell { .. } => return None,
            F::NotRunning => "start one with `rejoin up`, and ask again",
            F::NodeSilent { .. } => "wait a moment; if that goes on, stop it and start it again",
            F::NoListener => {
                "start it without --listen, or let it listen on an address this machine has"
            }
            F::OnlyThisMachine => "to be reached by others, start it without --listen",
            F::NotReached => {
                "forward its ports on the router to this machine, or connect to a relay \
                 (a node started with --relay-server)"
            }
            F::NotReachedStraight => {
                "forward its ports on the router to this machine, and nobody needs the relay"
            }
            F::ReachNotKnown { testers: 0 } => "wait until more peers are connected",
            F::ReachNotKnown { .. } => "ask again in a minute",
            F::NoRelayKnown => {
                "connect to one with `rejoin connect`, or run one elsewhere with --relay-server"
            }
            F::CarrierNat { .. } => {
                "no router of yours can change that: use IPv6, ask the carrier for an address of \
                 your own, or rely on relays"
            }
            F::OnlyPrivate => "that is usual behind a router, which has to let others in",
            F::RouterSilent => "turn UPnP on in the router, or forward the node's ports there",
            F::RouterShadowed => {
                "forward the node's ports on both routers, or let the inner one only pass on"
            }
            F::RouterNotAsked => "start the node without --no-upnp, or forward its ports by hand",
            F::OwnOutage { .. } => {
                "look after the cable, the Wi-Fi and the firewall of this machine"
            }
            F::KnowsNobody => {
                "name somebody, with `rejoin connect <address>` or `rejoin up --bootstrap <address>`"
            }
            F::NobodyAnswers { .. } => {
                "wait a minute; if that goes on, check the firewall, or name somebody else with \
                 `rejoin connect <address>`"
            }
            F::SourcesSilent { .. } => {
                "check what they are called, or name others; `rejoin up --help` lists the kinds"
            }
            F::ClockBeforeProgram { .. } => "set the clock of this machine",
            F::MemoryAheadOfClock { .. } => {
                "set the clock of this machine; if it is right, it was wrong before, and the \
                 memory puts itself right"
            }
            F::ClockPlausible => {
                "compare it with another clock if you doubt it: peers tell no time"
            }
            F::ValuesRepaired { .. } => {
                "nothing, once; if it comes again, check the clock and the disk"
            }
            F::NotWritable { .. } => {
                "correct its rights, or name another place with --data or --store"
            }
            F::StoreClosed { .. } => "correct that, and start the node again",
            F::StoreDamaged { .. } => {
                "check the disk; the damaged file is kept, and the node goes on with what was saved"
            }
            F::StoreReplaced { .. } => "nothing, if you know why; otherwise look at the file named",
            F::NotSaved { .. } => "see the node's log for the reason; a full disk is the usual one",
            F::DiskFull { .. } => "make room on that disk",
            F::StoreForgets => "name a file with --store to remember beyond a run",
            F::NothingKept => "that is usual before the first `rejoin up`",
        })
    }
}

fn span(ms: u64) -> String {
    in_words(Duration::from_millis(ms))
}
