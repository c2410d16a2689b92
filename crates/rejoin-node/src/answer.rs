//! Answers, as they travel: the JSON of the API and of `--json`, field by field in docs/json.md.
//! Moments are milliseconds since the UNIX epoch, spans end in their unit.

use rejoin::{Address, Explanation, PeerRecord, Pool, Purpose, Status, Time};
use rejoin_core::{Lane, retention::PruneReport, score};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    checkup::{Checkup, NodeState},
    diagnosis::{self, Known},
    finding::{Finding, Level, Subject},
};

/// What a question got.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Status(Box<StatusAnswer>),
    Peers(PeersAnswer),
    Peer(Box<PeerAnswer>),
    Why(Box<WhyAnswer>),
    Timeline(TimelineAnswer),
    Connect(ConnectAnswer),
    Done(DoneAnswer),
    Import(ImportAnswer),
    Prune(PruneAnswer),
    Doctor(Box<DoctorAnswer>),
}

/// What a node knows of itself beside its memory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Whether a node runs; if not, the rest comes from its files.
    pub running: bool,
    pub version: String,
    /// Which start of the node this is, to tell it from an earlier one.
    pub instance: Option<String>,
    pub pid: Option<u32>,
    pub peer_id: Option<String>,
    pub network: Option<String>,
    pub started: Option<u64>,
    pub listening: Vec<String>,
    pub store: String,
    /// Why the store named is not used, if it is not.
    pub store_problem: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusAnswer {
    #[serde(flatten)]
    pub node: NodeFacts,
    pub connections: usize,
    /// These three are newer than the rest.
    #[serde(default)]
    pub asleep: usize,
    #[serde(default)]
    pub outbound: usize,
    #[serde(default)]
    pub outbound_reserved: usize,
    pub target: usize,
    pub proven: usize,
    /// Newer, too: how many more are on the disk alone.
    #[serde(default)]
    pub shelved: usize,
    pub hearsay: usize,
    pub dials: usize,
    pub outage_since: Option<u64>,
    pub waiting_for: Option<String>,
    pub last_return: ReturnAnswer,
    pub sources: Vec<SourceAnswer>,
    pub storage: StorageAnswer,
}

/// What the last start, or the last return to the network, took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReturnAnswer {
    pub since: u64,
    pub first_ms: Option<u64>,
    pub fifth_ms: Option<u64>,
    pub target_ms: Option<u64>,
    pub dials: u64,
    pub consults: u64,
    pub bootstrap_dials: u64,
    pub bootstrap_connections: u64,
    pub cached_dialled: u64,
    pub cached_connected: u64,
    pub cached_cancelled: u64,
    pub hit_rate: Option<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceAnswer {
    pub address: String,
    pub kind: String,
    pub breaker: String,
    pub failures: u32,
    pub until: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StorageAnswer {
    pub unsaved: usize,
    pub saved: Option<u64>,
    pub failures: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeersAnswer {
    /// How many fit the filter; more than are listed if there is a limit.
    pub total: usize,
    pub peers: Vec<PeerRow>,
    /// Behind whom the next page begins, if there is one.
    pub next: Option<String>,
}

/// A peer in one line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerRow {
    pub peer: String,
    pub name: Option<String>,
    pub score: f64,
    /// How well it suits the purpose asked for.
    pub worth: Option<f64>,
    pub pool: Pool,
    pub connected: bool,
    pub pinned: bool,
    pub blocked_until: Option<u64>,
    pub bootstrap: bool,
    pub latency_ms: Option<f32>,
    pub first_seen: u64,
    pub last_seen: Option<u64>,
    pub last_connected: Option<u64>,
    /// Recent dials that reached it; they fade, so this is no whole number.
    pub dials_ok: f64,
    pub dials_failed: f64,
    pub agent: Option<String>,
    pub addresses: Vec<String>,
}

/// All that is remembered of one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerAnswer {
    pub peer: PeerRow,
    /// As it is stored; docs/formats.md has its fields.
    pub record: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhyAnswer {
    pub peer: PeerRow,
    #[serde(rename = "for")]
    pub purpose: Option<Purpose>,
    pub score: f64,
    /// What is added up.
    pub terms: Vec<TermAnswer>,
    /// What the sum is multiplied with.
    pub factors: Vec<TermAnswer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TermAnswer {
    pub name: String,
    pub value: f64,
    pub weight: f64,
    pub because: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TimelineAnswer {
    pub since: u64,
    pub dials: Vec<DialAnswer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DialAnswer {
    pub peer: Option<String>,
    pub lane: String,
    pub began: u64,
    pub ended: Option<u64>,
    pub outcome: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectAnswer {
    pub peer: String,
    pub took_ms: u64,
    /// It was connected before.
    pub already: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoneAnswer {
    pub peer: String,
    /// `forgotten`, `pinned`, `unpinned`, `blocked` or `unblocked`.
    pub done: String,
    /// When a block ends.
    pub until: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ImportAnswer {
    /// Peers told of.
    pub told: usize,
    /// Of these, strangers that found a place among the hearsay.
    pub new: usize,
    /// Of these, peers that were known before.
    pub known: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PruneAnswer {
    pub dry_run: bool,
    pub checked: usize,
    pub fates: Vec<FateAnswer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FateAnswer {
    pub peer: String,
    /// `forget` or `demote`.
    pub fate: String,
    /// The rule's name.
    pub rule: String,
    /// The rule in words.
    pub because: String,
}

/// How healthy everything is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoctorAnswer {
    /// No finding is trouble.
    pub well: bool,
    pub running: bool,
    /// Whether others can reach us; `null` without a node.
    pub reach: Option<ReachAnswer>,
    pub transports: Vec<TransportAnswer>,
    pub findings: Vec<FindingAnswer>,
}

/// Each `yes`, `no` or `not-yet`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReachAnswer {
    pub internet: String,
    pub lan: String,
    /// Relays that keep a slot for us.
    pub relays: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransportAnswer {
    pub transport: String,
    pub addresses: Vec<String>,
    /// `yes`, `no` or `not-yet`.
    pub reached: String,
}

/// One finding. What else its `code` carries stands beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingAnswer {
    pub code: String,
    pub subject: Subject,
    pub level: Level,
    pub what: String,
    pub remedy: Option<String>,
    #[serde(flatten)]
    pub facts: serde_json::Map<String, Value>,
}

fn ms(time: Option<Time>) -> Option<u64> {
    time.map(Time::as_millis)
}

impl PeerAnswer {
    pub fn new(record: &PeerRecord, peer: PeerRow) -> Self {
        Self {
            peer,
            record: serde_json::to_value(record).unwrap_or_default(),
        }
    }
}

impl StatusAnswer {
    pub fn new(node: NodeFacts, status: Status) -> Self {
        let numbers = status.numbers;
        Self {
            node,
            connections: status.connections,
            asleep: status.asleep,
            outbound: status.outbound,
            outbound_reserved: status.outbound_reserved,
            target: status.target,
            proven: status.proven,
            shelved: status.shelved,
            hearsay: status.hearsay,
            dials: status.dials,
            outage_since: ms(status.outage_since),
            waiting_for: status.waiting_for.map(Into::into),
            last_return: ReturnAnswer {
                since: numbers.since.as_millis(),
                first_ms: numbers.first_ms,
                fifth_ms: numbers.fifth_ms,
                target_ms: numbers.target_ms,
                dials: numbers.dials,
                consults: numbers.consults,
                bootstrap_dials: numbers.bootstrap_dials,
                bootstrap_connections: numbers.bootstrap_connections,
                cached_dialled: numbers.cached_dialled,
                cached_connected: numbers.cached_connected,
                cached_cancelled: numbers.cached_cancelled,
                hit_rate: numbers.hit_rate(),
            },
            sources: status
                .sources
                .into_iter()
                .map(|source| SourceAnswer {
                    address: source.name,
                    kind: source.kind.into(),
                    breaker: source.breaker.into(),
                    failures: source.failures,
                    until: ms(source.until),
                })
                .collect(),
            storage: StorageAnswer {
                unsaved: status.storage.unsaved,
                saved: ms(status.storage.saved),
                failures: status.storage.failures,
            },
        }
    }
}

impl PeerRow {
    pub fn new(record: &PeerRecord, connected: bool, now: Time) -> Self {
        let evidence = &record.evidence;
        Self {
            peer: record.key.to_string(),
            name: record.notes.display_name.as_ref().map(ToString::to_string),
            score: score::score(record, now),
            worth: None,
            pool: record.pool(),
            connected,
            pinned: record.control.pinned,
            blocked_until: ms(record.blocked_until(now)),
            bootstrap: record.role.bootstrap,
            latency_ms: evidence.latency_ms,
            first_seen: record.first_seen.as_millis(),
            last_seen: ms(record.last_seen),
            last_connected: ms(record.last_connected),
            dials_ok: evidence.dials_ok.value(now),
            dials_failed: evidence.dials_failed.value(now),
            agent: record.role.agent.as_ref().map(ToString::to_string),
            addresses: by_evidence(record).map(ToString::to_string).collect(),
        }
    }
}

/// A peer's addresses, those that worked last first.
fn by_evidence(record: &PeerRecord) -> impl Iterator<Item = &Address> {
    let mut known: Vec<_> = record.addresses.iter().collect();
    known.sort_by_key(|known| std::cmp::Reverse(known.last_success));
    known.into_iter().map(|known| &known.address)
}

impl WhyAnswer {
    pub fn new(peer: PeerRow, purpose: Option<Purpose>, explanation: Explanation) -> Self {
        let terms = |terms: Vec<score::Term>| {
            let term = |term: score::Term| TermAnswer {
                name: term.name.into(),
                value: term.value,
                weight: term.weight,
                because: term.because,
            };
            terms.into_iter().map(term).collect()
        };
        Self {
            peer,
            purpose,
            score: explanation.score,
            terms: terms(explanation.terms),
            factors: terms(explanation.factors),
        }
    }
}

impl DialAnswer {
    pub fn new(trace: &rejoin::DialTrace) -> Self {
        let lane: Lane = trace.lane;
        Self {
            peer: trace.peer.as_ref().map(ToString::to_string),
            lane: lane.to_string(),
            began: trace.began.as_millis(),
            ended: ms(trace.ended),
            outcome: trace.outcome.into(),
        }
    }
}

impl DoctorAnswer {
    pub fn new(checkup: &Checkup) -> Self {
        let findings: Vec<_> = diagnosis::diagnose(checkup)
            .iter()
            .map(FindingAnswer::new)
            .collect();
        let node = match &checkup.node {
            NodeState::Runs(node) => Some(node),
            NodeState::Stopped | NodeState::Silent { .. } => None,
        };
        Self {
            well: findings.iter().all(|it| it.level < Level::Trouble),
            running: !matches!(checkup.node, NodeState::Stopped),
            reach: node.map(|node| ReachAnswer {
                internet: known(diagnosis::from_internet(node)),
                lan: known(diagnosis::from_lan(node)),
                relays: diagnosis::relays(node),
            }),
            transports: node.map_or(Vec::new(), |node| {
                let transports = diagnosis::transports(node).into_iter();
                transports.map(TransportAnswer::new).collect()
            }),
            findings,
        }
    }
}

fn known(known: Known) -> String {
    match known {
        Known::Yes => "yes",
        Known::No => "no",
        Known::NotYet => "not-yet",
    }
    .into()
}

impl TransportAnswer {
    fn new(listening: diagnosis::Listening) -> Self {
        Self {
            transport: listening.transport.to_string(),
            addresses: listening
                .addresses
                .iter()
                .map(ToString::to_string)
                .collect(),
            reached: known(listening.reached),
        }
    }
}

impl FindingAnswer {
    fn new(finding: &Finding) -> Self {
        let mut facts = match serde_json::to_value(finding) {
            Ok(Value::Object(facts)) => facts,
            Ok(_) | Err(_) => serde_json::Map::new(),
        };
        let code = facts.remove("code");
        Self {
            code: code
                .as_ref()
                .and_then(Value::as_str)
                .unwrap_or_default()
                .into(),
            subject: finding.subject(),
            level: finding.level(),
            what: finding.what(),
            remedy: finding.remedy().map(Into::into),
            facts,
        }
    }
}

impl PruneAnswer {
    pub fn new(report: PruneReport, dry_run: bool) -> Self {
        let fate = |sentence: rejoin_core::retention::Sentence| FateAnswer {
            peer: sentence.peer.to_string(),
            fate: match sentence.fate {
                rejoin_core::retention::Fate::Demote => "demote".into(),
                rejoin_core::retention::Fate::Forget => "forget".into(),
            },
            rule: sentence.rule.name().into(),
            because: sentence.rule.to_string(),
        };
        Self {
            dry_run,
            checked: report.checked,
            fates: report.fates.into_iter().map(fate).collect(),
        }
    }
}
