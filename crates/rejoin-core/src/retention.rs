//! Whom to forget: rules as data, each with its count in the report.
//!
//! A rule sees one record and says what should become of it; caps see a whole pool. Whoever is
//! pinned, blocked by the user, a bootstrap server or connected right now is exempt from all of them.
//! Nothing here touches a record: [`plan`] only says what would be done and why, so a dry run and the
//! real one cannot differ.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Serialize, Serializer};

use crate::{
    key::PeerKey,
    record::{PeerRecord, Pool},
    score,
    time::Time,
};

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// A proven peer unseen for so long, and tried in vain since, is forgotten. Without a try
    /// nobody is: a month away, or a clock set forward, says nothing about the others.
    Unseen(Duration),
    /// Hearsay of that age is forgotten.
    OldHearsay(Duration),
    /// A peer of that age that was dialled and never connected is forgotten.
    NeverConnected(Duration),
    /// Hearsay that failed so often in a row is forgotten. Whom the user named is none: it may be the
    /// only one we know.
    HearsayFailing(u32),
    /// A proven peer that failed so often in a row is demoted: it joins the hearsay.
    ProvenFailing(u32),
    /// A proven peer whose quality, its score without the fading, fell below this is demoted.
    LowQuality(f64),
    /// The worst proven peers beyond so many are forgotten.
    ProvenCap(usize),
    /// The worst hearsay beyond so many is forgotten.
    HearsayCap(usize),
}

/// What a rule wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Back among the hearsay.
    Demote,
    /// Gone.
    Forget,
}

impl Rule {
    /// The default rules (design: age, never connected, repeated failure, low quality, caps).
    pub fn defaults() -> Vec<Self> {
        const DAY: Duration = Duration::from_secs(86_400);
        vec![
            // The survival curve decides long before; these three only tidy up.
            Self::Unseen(DAY.saturating_mul(30)),
            Self::OldHearsay(DAY.saturating_mul(7)),
            Self::NeverConnected(DAY.saturating_mul(7)),
            // Bitcoin Core's addrman: three tries and never a success.
            Self::HearsayFailing(3),
            // One bad evening has fewer, thanks to backoff.
            Self::ProvenFailing(5),
            // Only heavy penalties or many failures lead below this.
            Self::LowQuality(0.05),
            // A few months of a desktop node's acquaintances, about a MiB.
            Self::ProvenCap(1_000),
            // As much as there is proven.
            Self::HearsayCap(1_000),
        ]
    }

    /// A short name for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unseen(_) => "unseen",
            Self::OldHearsay(_) => "old-hearsay",
            Self::NeverConnected(_) => "never-connected",
            Self::HearsayFailing(_) => "hearsay-failing",
            Self::ProvenFailing(_) => "proven-failing",
            Self::LowQuality(_) => "low-quality",
            Self::ProvenCap(_) => "proven-cap",
            Self::HearsayCap(_) => "hearsay-cap",
        }
    }

    fn judge(&self, record: &PeerRecord, now: Time) -> Option<Fate> {
        let pool = record.pool();
        let failures = record.evidence.failures_in_row;
        let (applies, fate) = match *self {
            Self::Unseen(longest) => {
                let tried_since = record.last_failed > record.last_seen;
                let unseen = record
                    .last_seen
                    .is_some_and(|seen| now.since(seen) > longest);
                (
                    record.last_connected.is_some() && unseen && tried_since,
                    Fate::Forget,
                )
            }
            Self::OldHearsay(oldest) => (
                record.last_connected.is_none() && now.since(record.first_seen) > oldest,
                Fate::Forget,
            ),
            Self::NeverConnected(oldest) => (
                record.last_connected.is_none()
                    && record.last_failed.is_some()
                    && now.since(record.first_seen) > oldest,
                Fate::Forget,
            ),
            Self::HearsayFailing(most) => (
                record.last_connected.is_none() && !record.is_sought() && failures >= most,
                Fate::Forget,
            ),
            Self::ProvenFailing(most) => (pool == Pool::Proven && failures >= most, Fate::Demote),
            Self::LowQuality(least) => (
                pool == Pool::Proven && score::quality(record) < least,
                Fate::Demote,
            ),
            Self::ProvenCap(_) | Self::HearsayCap(_) => return None,
        };
        applies.then_some(fate)
    }

    fn cap(&self) -> Option<(Pool, usize)> {
        match *self {
            Self::ProvenCap(most) => Some((Pool::Proven, most)),
            Self::HearsayCap(most) => Some((Pool::Hearsay, most)),
            _ => None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |span: &Duration| span.as_secs() / 86_400;
        match self {
            Self::Unseen(span) => {
                write!(f, "unseen for {} days and tried in vain since", days(span))
            }
            Self::OldHearsay(span) => write!(f, "heard of {} days ago, never met", days(span)),
            Self::NeverConnected(span) => {
                write!(f, "dialled and never connected within {} days", days(span))
            }
            Self::HearsayFailing(most) => write!(f, "never met and failed {most} times in a row"),
            Self::ProvenFailing(most) => write!(f, "failed {most} times in a row"),
            Self::LowQuality(least) => write!(f, "its quality is below {least}"),
            Self::ProvenCap(most) => write!(f, "more than {most} proven peers"),
            Self::HearsayCap(most) => write!(f, "more than {most} peers known by hearsay"),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the rules do, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PruneReport {
    /// Records looked at.
    pub checked: usize,
    /// How many each rule hits, by its name.
    pub by_rule: BTreeMap<&'static str, usize>,
    /// Whom, what becomes of them, and why; in order of key.
    pub fates: Vec<Sentence>,
}

/// What becomes of one peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// Who.
    pub peer: PeerKey,
    /// What.
    pub fate: Fate,
    /// Why.
    pub rule: Rule,
}

impl PruneReport {
    /// Nobody is hit.
    pub fn is_empty(&self) -> bool {
        self.fates.is_empty()
    }
}

/// What `rules` would do to `records` at `now`; `exempt` names those that are needed whatever their
/// record says. The first rule that hits a record decides.
pub fn plan<'a>(
    rules: &[Rule],
    records: impl Iterator<Item = &'a PeerRecord>,
    exempt: impl Fn(&PeerRecord) -> bool,
    now: Time,
) -> PruneReport {
    let mut report = PruneReport::default();
    let mut staying: BTreeMap<Pool, Vec<(bool, &PeerRecord)>> = BTreeMap::new();
    for record in records {
        report.checked += 1;
        // Forgetting a block would lift it. A ban of ours spares nobody: whoever misbehaves under a
        // thousand names must not fill the memory with them.
        let decided = record.control.pinned || record.is_blocked_by_user(now);
        let spared = decided || record.role.bootstrap || exempt(record);
        let hit = rules
            .iter()
            .find_map(|rule| rule.judge(record, now).map(|fate| (*rule, fate)))
            .filter(|_| !spared);
        let pool = match hit {
            Some((rule, Fate::Forget)) => {
                report.pass(record, Fate::Forget, rule);
                continue;
            }
            Some((rule, Fate::Demote)) => {
                report.pass(record, Fate::Demote, rule);
                continue;
            }
            None => record.pool(),
        };
        staying.entry(pool).or_default().push((spared, record));
    }
    for rule in rules {
        let Some((pool, most)) = rule.cap() else {
            continue;
        };
        let members = staying.entry(pool).or_default();
        let over = members.len().saturating_sub(most);
        if over == 0 {
            continue;
        }
        // The spared take up room, but are never the ones to go.
        let free = members.iter().filter(|(spared, _)| !spared);
        let mut worst_first: Vec<_> = free
            .map(|(_, record)| (score::rank(record), *record))
            .collect();
        worst_first.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.key.cmp(&b.1.key)));
        for (_, record) in worst_first.into_iter().take(over) {
            report.pass(record, Fate::Forget, *rule);
        }
    }
    report.fates.sort_by(|a, b| a.peer.cmp(&b.peer));
    report
}

impl PruneReport {
    fn pass(&mut self, record: &PeerRecord, fate: Fate, rule: Rule) {
        *self.by_rule.entry(rule.name()).or_default() += 1;
        self.fates.push(Sentence {
            peer: record.key.clone(),
            fate,
            rule,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decay::Decayed, record::Ban};

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Time = Time::from_millis(400 * 86_400_000);

    fn hearsay(name: &str) -> PeerRecord {
        PeerRecord::new(name.parse().unwrap(), NOW)
    }

    fn proven(name: &str) -> PeerRecord {
        let mut record = hearsay(name);
        record.last_seen = Some(NOW);
        record.last_connected = Some(NOW);
        record.evidence.dials_ok = Decayed::new(3.0, NOW);
        record
    }

    #[test]
    fn good_peers_stay() {
        check(proven("alice"), None);
        check(hearsay("bob"), None);
    }

    #[test]
    fn a_proven_peer_goes_only_if_tried_in_vain_after_its_time() {
        let mut away = proven("alice");
        away.last_seen = Some(NOW - DAY * 31);
        away.last_connected = away.last_seen;
        check(away.clone(), None);
        away.last_failed = Some(NOW - DAY);
        check(away, Some((Fate::Forget, "unseen")));
    }

    #[test]
    fn hearsay_goes_by_age_and_by_failures() {
        let mut old = hearsay("bob");
        old.first_seen = NOW - DAY * 8;
        check(old, Some((Fate::Forget, "old-hearsay")));
        let mut dead = hearsay("bob");
        dead.evidence.failures_in_row = 3;
        check(dead, Some((Fate::Forget, "hearsay-failing")));
    }

    #[test]
    fn mistake_18_a_proven_peer_is_demoted_after_five_failures_and_not_deleted() {
        let mut failing = proven("alice");
        failing.evidence.failures_in_row = 5;
        check(failing.clone(), Some((Fate::Demote, "proven-failing")));
        failing.control.pinned = true;
        check(failing.clone(), None);
        failing.control.pinned = false;
        failing.control.blocked_until = Some(NOW + DAY);
        check(failing, None);
    }

    #[test]
    fn a_proven_peer_of_no_quality_is_demoted() {
        let mut liar = proven("eve");
        liar.evidence.dealings.invalid_data = Decayed::new(1_000.0, NOW);
        check(liar, Some((Fate::Demote, "low-quality")));
    }

    #[test]
    fn who_is_needed_is_exempt_from_rules_and_caps() {
        let mut failing = proven("alice");
        failing.evidence.failures_in_row = 5;
        let records = [failing, proven("bob")];
        let rules = [Rule::ProvenFailing(5), Rule::ProvenCap(1)];
        assert!(plan(&rules, records.iter(), |_| true, NOW).is_empty());
    }

    #[test]
    fn a_bootstrap_server_is_exempt() {
        let mut server = hearsay("eve");
        server.first_seen = NOW - DAY * 300;
        server.role.bootstrap = true;
        check(server, None);
    }

    #[test]
    fn mistake_18_a_full_hearsay_pool_never_costs_a_proven_peer() {
        let mut records: Vec<_> = (0..20).map(|n| hearsay(&format!("h{n:02}"))).collect();
        records.extend((0..5).map(|n| proven(&format!("p{n}"))));
        let rules = [Rule::ProvenCap(5), Rule::HearsayCap(10)];
        let report = plan(&rules, records.iter(), |_| false, NOW);
        assert_eq!(report.by_rule["hearsay-cap"], 10);
        assert!(
            report
                .fates
                .iter()
                .all(|hit| hit.peer.as_bytes()[0] == b'h')
        );
    }

    #[test]
    fn a_thousand_banned_names_push_nobody_out() {
        let mut records = vec![proven("alice")];
        records.extend((0..5).map(|n| {
            let mut eve = proven(&format!("eve{n}"));
            eve.evidence.dealings.invalid_data = Decayed::new(16.0, NOW);
            let until = NOW + DAY;
            eve.control.banned = Some(Ban { since: NOW, until }.into());
            eve
        }));
        let report = plan(&[Rule::ProvenCap(1)], records.iter(), |_| false, NOW);
        assert_eq!(report.fates.len(), 5);
        let spared = |hit: &Sentence| hit.peer.as_bytes()[0] == b'e';
        assert!(report.fates.iter().all(spared));
    }

    #[test]
    fn a_cap_takes_the_worst_and_spares_the_exempt() {
        let mut worst = proven("worst");
        worst.evidence.dials_failed = Decayed::new(9.0, NOW);
        let mut pinned = worst.clone();
        pinned.key = "pinned".parse().unwrap();
        pinned.control.pinned = true;
        let records = [proven("alice"), pinned, worst, proven("bob")];
        let report = plan(&[Rule::ProvenCap(3)], records.iter(), |_| false, NOW);
        assert_eq!(report.fates.len(), 1);
        assert_eq!(report.fates[0].peer.to_string(), "worst");
    }

    /// The one place that knows how `plan` is called on a single record.
    #[track_caller]
    fn check(record: PeerRecord, expected: Option<(Fate, &str)>) {
        let report = plan(&Rule::defaults(), std::iter::once(&record), |_| false, NOW);
        let found = report.fates.first().map(|hit| (hit.fate, hit.rule.name()));
        assert_eq!(found, expected);
        assert_eq!(report.by_rule.values().sum::<usize>(), report.fates.len());
    }
}
