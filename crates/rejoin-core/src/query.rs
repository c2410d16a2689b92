//! Which peers are asked for: a filter, an order, and a page of what fits.

use std::{
    cmp::{Ordering, Reverse},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    address::{Address, Transport},
    evidence::ConnectionKind,
    key::PeerKey,
    netgroup::Netgroup,
    record::{PeerRecord, Pool},
    score,
    source::Source,
    time::Time,
};

/// What all peers asked for have in common. What is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Filter {
    /// Their id, display name, program or one of their addresses contains this, whatever the case.
    #[serde(rename = "filter", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// They are in this pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// We were last connected with them in this way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionKind>,
    /// One of their addresses is of this transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// One of their addresses is in this network, written as [`Netgroup`] is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netgroup: Option<String>,
    /// One of their addresses was told us by this source, such as `pex`, or `pex:` and who it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The application noted this of them: `name`, or `name=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Their score is at least this, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_min: Option<f64>,
    /// They showed life within so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_within_s: Option<u64>,
    /// We have known of them for at least so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_for_s: Option<u64>,
}

impl Filter {
    /// Everybody fits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those of some records that fit at `now`, one after another as they come.
    pub fn among<'a>(
        &self,
        records: impl Iterator<Item = &'a PeerRecord>,
        now: Time,
    ) -> impl Iterator<Item = &'a PeerRecord> {
        records.filter(move |record| self.fits(record, now))
    }

    /// Whether one fits at `now`.
    pub fn fits(&self, record: &PeerRecord, now: Time) -> bool {
        let within = |span: u64| {
            let seen = record.last_seen;
            seen.is_some_and(|seen| now.since(seen) <= Duration::from_secs(span))
        };
        let known = |span: u64| now.since(record.first_seen) >= Duration::from_secs(span);
        let last_kind = record.last_connected.map(|_| record.evidence.kind);
        self.pool.is_none_or(|pool| record.pool() == pool)
            && (self.connection).is_none_or(|kind| last_kind == Some(kind))
            && self.seen_within_s.is_none_or(within)
            && self.known_for_s.is_none_or(known)
            && (self.transport).is_none_or(|it| lives(record, |known| known.transport() == it))
            && (self.netgroup.as_ref()).is_none_or(|group| lives(record, |it| is_in(it, group)))
            && (self.source.as_ref()).is_none_or(|source| was_told(record, source))
            && self.tag.as_ref().is_none_or(|tag| is_tagged(record, tag))
            && (self.score_min).is_none_or(|least| score::score(record, now) >= least)
            && self.text.as_ref().is_none_or(|text| contains(record, text))
    }
}

fn contains(record: &PeerRecord, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |field: &str| field.to_lowercase().contains(&text);
    has(&record.key.to_string())
        || record.notes.display_name.as_deref().is_some_and(has)
        || record.role.agent.as_deref().is_some_and(has)
        || lives(record, |address| has(&address.to_string()))
}

fn lives(record: &PeerRecord, there: impl Fn(&Address) -> bool) -> bool {
    record.addresses.iter().any(|known| there(&known.address))
}

fn is_in(address: &Address, group: &str) -> bool {
    Netgroup::of(address)
        .to_string()
        .eq_ignore_ascii_case(group)
}

fn was_told(record: &PeerRecord, by: &str) -> bool {
    let is_it = |source: &Source| {
        let source = source.to_string();
        let kind = source.split(':').next();
        source == by || kind == Some(by)
    };
    record.addresses.iter().any(|known| is_it(&known.source))
}

fn is_tagged(record: &PeerRecord, tag: &str) -> bool {
    let (name, value) = match tag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (tag, None),
    };
    let mut notes = record.notes.metadata.iter();
    notes.any(|(noted, is)| **noted == *name && value.is_none_or(|value| **is == *value))
}

/// In what order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// The best first.
    #[default]
    Score,
    /// The latest sign of life first.
    LastSeen,
    /// The fastest first; those never measured last.
    Latency,
    /// In order of key.
    Name,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Score, Self::LastSeen, Self::Latency, Self::Name];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::LastSeen => "last-seen",
            Self::Latency => "latency",
            Self::Name => "name",
        }
    }

    /// Some records in this order, equals in order of key.
    pub fn sorted<'a>(
        self,
        records: impl Iterator<Item = &'a PeerRecord>,
        now: Time,
    ) -> Vec<&'a PeerRecord> {
        match self {
            Self::Score => by(records, |it| Reverse(Total(score::score(it, now)))),
            Self::LastSeen => by(records, |it| Reverse(it.last_seen)),
            Self::Latency => by(records, |it| {
                Total(it.evidence.latency_ms.map_or(f64::INFINITY, f64::from))
            }),
            Self::Name => by(records, |_| ()),
        }
    }
}

fn by<'a, K: Ord>(
    records: impl Iterator<Item = &'a PeerRecord>,
    of: impl Fn(&PeerRecord) -> K,
) -> Vec<&'a PeerRecord> {
    // Worked out once for each, and not once for each comparison.
    let mut all: Vec<_> = records.map(|record| (of(record), record)).collect();
    all.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.key.cmp(&other.key)));
    all.into_iter().map(|(_, record)| record).collect()
}

/// A number in the order of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Total(f64);

impl Eq for Total {}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// So many of `sorted`, the first behind one of them if that is named; `None` if that one is not there
/// any more. Whoever joins or moves meanwhile may be missed or come twice, but nobody who stays put.
pub fn page<'a, T>(
    sorted: &'a [T],
    key: impl Fn(&'a T) -> &'a PeerKey,
    after: Option<&PeerKey>,
    limit: usize,
) -> Option<&'a [T]> {
    let begin = match after {
        Some(after) => sorted.iter().position(|it| key(it) == after)? + 1,
        None => 0,
    };
    let rest = &sorted[begin..];
    Some(&rest[..limit.min(rest.len())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{addresses, decay::Decayed, text::Text};

    const DAY_MS: u64 = 86_400_000;
    const NOW: Time = Time::from_millis(400 * DAY_MS);

    /// Somebody met yesterday over TCP, heard of from bob ten days ago.
    fn alice() -> PeerRecord {
        let day = Duration::from_millis(DAY_MS);
        let mut record = PeerRecord::new("alice".parse().unwrap(), NOW - day * 10);
        let bob = Source::Pex("bob".parse().unwrap());
        let address = "/ip4/8.8.4.4/tcp/4001".parse().unwrap();
        addresses::add(&mut record, address, &bob, NOW - day * 10);
        record.last_seen = Some(NOW - day);
        record.last_connected = Some(NOW - day);
        record.evidence.dials_ok = Decayed::new(9.0, NOW - day);
        record.role.agent = Some(Text::new("Kubo/0.40"));
        record
            .notes
            .metadata
            .insert(Text::new("room"), Text::new("blue"));
        record
    }

    #[test]
    fn each_wish_lets_in_who_fits_and_nobody_else() {
        let is = |text: &str| Some(text.to_owned());
        check(|it| it.text = is("kUBO"), |it| it.text = is("carol"));
        check(|it| it.text = is("8.8.4"), |it| it.text = is("8.8.5"));
        check(|it| it.text = is("LIC"), |it| it.text = is("12D3"));
        let (proven, hearsay) = (Some(Pool::Proven), Some(Pool::Hearsay));
        check(|it| it.pool = proven, |it| it.pool = hearsay);
        let (direct, relayed) = (ConnectionKind::Direct, ConnectionKind::Relayed);
        check(
            |it| it.connection = Some(direct),
            |it| it.connection = Some(relayed),
        );
        let (tcp, quic) = (Transport::Tcp, Transport::Quic);
        check(
            |it| it.transport = Some(tcp),
            |it| it.transport = Some(quic),
        );
        check(
            |it| it.netgroup = is("8.8.0.0/16"),
            |it| it.netgroup = is("8.9.0.0/16"),
        );
        check(|it| it.source = is("pex"), |it| it.source = is("gossip"));
        check(
            |it| it.source = is("pex:bob"),
            |it| it.source = is("pex:eve"),
        );
        check(|it| it.tag = is("room"), |it| it.tag = is("house"));
        check(|it| it.tag = is("room=blue"), |it| it.tag = is("room=red"));
        let (day, days) = (DAY_MS / 1_000, 10 * DAY_MS / 1_000);
        check(
            |it| it.seen_within_s = Some(day),
            |it| it.seen_within_s = Some(day - 1),
        );
        check(
            |it| it.known_for_s = Some(days),
            |it| it.known_for_s = Some(days + 1),
        );
        let score = score::score(&alice(), NOW);
        check(
            |it| it.score_min = Some(score),
            |it| it.score_min = Some(score + 0.01),
        );
    }

    /// The one place that knows how a filter is used.
    #[track_caller]
    fn check(lets_in: impl Fn(&mut Filter), keeps_out: impl Fn(&mut Filter)) {
        let alice = [alice()];
        let fits = |wish: &dyn Fn(&mut Filter)| {
            let mut filter = Filter::default();
            wish(&mut filter);
            assert!(!filter.is_empty());
            filter.among(alice.iter(), NOW).count() == 1
        };
        assert!(fits(&lets_in));
        assert!(!fits(&keeps_out));
        assert!(!fits(&|filter| {
            lets_in(filter);
            filter.source.get_or_insert("url".into());
            filter.tag = Some("nothing".into());
        }));
    }

    #[test]
    fn whoever_was_never_met_was_connected_in_no_way() {
        let heard_of = [PeerRecord::new("eve".parse().unwrap(), NOW)];
        let direct = Filter {
            connection: Some(ConnectionKind::Direct),
            ..Filter::default()
        };
        assert_eq!(direct.among(heard_of.iter(), NOW).count(), 0);
        assert_eq!(Filter::default().among(heard_of.iter(), NOW).count(), 1);
    }

    #[test]
    fn a_filter_reads_as_it_is_written() {
        let filter = Filter {
            text: Some("kubo".into()),
            pool: Some(Pool::Proven),
            score_min: Some(0.5),
            ..Filter::default()
        };
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(json, r#"{"filter":"kubo","pool":"proven","score-min":0.5}"#);
        assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
    }

    proptest! {
        #[test]
        fn page_by_page_everybody_comes_once_and_in_order(
            seen in prop::collection::vec(0u8..5, 0..40), sort in 0usize..4, limit in 1usize..9,
        ) {
            let records: Vec<_> = seen.iter().enumerate().map(|(n, seen)| {
                let mut record = PeerRecord::new(format!("p{n:02}").parse().unwrap(), NOW);
                record.last_seen = Some(Time::from_millis(u64::from(*seen)));
                record.evidence.latency_ms = (*seen > 1).then_some(f32::from(*seen));
                record
            }).collect();
            let sorted = Sort::ALL[sort].sorted(records.iter().rev(), NOW);
            let mut told: Vec<&PeerRecord> = Vec::new();
            loop {
                let after = told.last().map(|it| &it.key);
                let next = page(&sorted, |it| &it.key, after, limit).expect("nobody has gone");
                prop_assert!(next.len() <= limit);
                if next.is_empty() {
                    break;
                }
                told.extend(next);
            }
            prop_assert_eq!(&told, &sorted);
            prop_assert_eq!(told.len(), records.len());
            let latest = |pair: &[&PeerRecord]| pair[0].last_seen >= pair[1].last_seen;
            prop_assert!(sort != 1 || told.windows(2).all(latest));
            let nobody = "nobody".parse().unwrap();
            prop_assert!(page(&sorted, |it| &it.key, Some(&nobody), limit).is_none());
        }
    }
}
