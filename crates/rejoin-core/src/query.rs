//! Which peers are asked for: a filter, an order, and a search for a page of what fits.

use std::{borrow::Borrow, cmp::Ordering, collections::BinaryHeap, time::Duration};

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

    /// Where a record stands.
    fn place(self, record: &PeerRecord) -> Place {
        let last = f64::INFINITY;
        let by = match self {
            // The same order, whenever one looks.
            Self::Score => -score::rank(record),
            Self::LastSeen => (record.last_seen).map_or(last, |seen| -(seen.as_millis() as f64)),
            Self::Latency => record.evidence.latency_ms.map_or(last, f64::from),
            Self::Name => 0.0,
        };
        let key = record.key.clone();
        Place { by, key }
    }
}

/// A place in an order: the least first, equals in order of key.
#[derive(Clone, Debug)]
struct Place {
    by: f64,
    key: PeerKey,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let by = self.by.total_cmp(&other.by);
        by.then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}

/// A search through any number of records that come one by one, in whatever order. It holds no more of
/// them than the page that is asked for.
#[derive(Clone, Debug)]
pub struct Search<R> {
    filter: Filter,
    sort: Sort,
    now: Time,
    after: Option<Place>,
    limit: usize,
    total: usize,
    /// Those that follow behind `after`, the last one on top.
    page: BinaryHeap<Candidate<R>>,
    more: bool,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<R> {
    /// How many fit the filter.
    pub total: usize,
    /// The page asked for, in order.
    pub page: Vec<R>,
    /// Whether there are more behind it.
    pub more: bool,
}

#[derive(Clone, Debug)]
struct Candidate<R> {
    place: Place,
    record: R,
}

impl<R> Ord for Candidate<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl<R> PartialOrd for Candidate<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> PartialEq for Candidate<R> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<R> Eq for Candidate<R> {}

impl<R: Borrow<PeerRecord>> Search<R> {
    /// For at most `limit` of those that fit at `now`, the first behind `after` if that is given. Whoever
    /// joins or moves between two pages may be missed or come twice, but nobody who stays put.
    pub fn new(
        filter: Filter,
        sort: Sort,
        after: Option<&PeerRecord>,
        limit: usize,
        now: Time,
    ) -> Self {
        Self {
            filter,
            sort,
            now,
            after: after.map(|record| sort.place(record)),
            limit,
            total: 0,
            page: BinaryHeap::new(),
            more: false,
        }
    }

    /// Looks at one more record. Nobody may come twice.
    pub fn offer(&mut self, record: R) {
        if !self.filter.fits(record.borrow(), self.now) {
            return;
        }
        self.total += 1;
        let place = self.sort.place(record.borrow());
        if self.after.as_ref().is_some_and(|after| place <= *after) {
            return;
        }
        self.page.push(Candidate { place, record });
        if self.page.len() > self.limit {
            self.page.pop();
            self.more = true;
        }
    }

    /// So many more fit, and are of no interest.
    pub fn pass_over(&mut self, count: usize) {
        self.total += count;
    }

    /// Whether the order is all that is asked for, and it is that of rank.
    pub fn is_by_rank(&self) -> bool {
        self.filter.is_empty() && self.sort == Sort::Score
    }

    /// Ends it.
    pub fn found(self) -> Found<R> {
        let page = self.page.into_sorted_vec();
        Found {
            total: self.total,
            page: page.into_iter().map(|found| found.record).collect(),
            more: self.more,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

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
            let sort = Sort::ALL[sort];
            let mut told: Vec<PeerRecord> = Vec::new();
            loop {
                let mut search = Search::new(Filter::default(), sort, told.last(), limit, NOW);
                records.iter().rev().for_each(|record| search.offer(record.clone()));
                let Found { total, page, more } = search.found();
                prop_assert_eq!(total, records.len());
                prop_assert!(page.len() <= limit);
                told.extend(page);
                prop_assert_eq!(more, told.len() < records.len());
                if !more {
                    break;
                }
            }
            let mut sorted = records;
            match sort {
                Sort::Score => sorted.sort_by(|a, b| score::rank(b).total_cmp(&score::rank(a))),
                Sort::LastSeen => sorted.sort_by_key(|record| Reverse(record.last_seen)),
                Sort::Latency => sorted.sort_by_key(|record| {
                    record.evidence.latency_ms.map_or(u32::MAX, |ms| ms as u32)
                }),
                Sort::Name => {}
            }
            prop_assert_eq!(told, sorted);
        }
    }
}
