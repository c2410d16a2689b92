//! What is remembered beside the peers.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    backoff::Backoff,
    config::Config,
    introducers::Introducers,
    record::{self, Unknown},
    survival::SurvivalCounts,
    text::Text,
    time::Time,
};

/// What is remembered beside the peers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Keys the placement of hearsay and the names of places; 16 random bytes, drawn once.
    #[serde(default)]
    pub secret: Secret,
    /// How often peers answered after how long an absence.
    #[serde(default)]
    pub survival: SurvivalCounts,
    /// The circuit breaker of each source, by the source in text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<Text<640>, Backoff>,
    /// Public IP addresses that keep failing, whoever is said to live there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<IpAddr, Backoff>,
    /// What came of what each peer told us of others.
    #[serde(default, skip_serializing_if = "Introducers::is_empty")]
    pub introducers: Introducers,
    /// Fields a newer version wrote.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Sixteen bytes nobody else knows.
pub type Secret = [u8; 16];

/// [`Memory`] as we see it, and what we have counted since our last save.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryDelta {
    /// All of it, as we see it.
    pub memory: Memory,
    /// The part of its survival counts that has not been saved yet.
    pub unsaved_survival: SurvivalCounts,
}

impl Memory {
    /// Makes a memory read from a file usable: bounded, and with no wait longer than it may be.
    /// Returns how many values had to be changed.
    pub fn sanitise(&mut self, now: Time, config: &Config) -> usize {
        let mut changed = usize::from(self.survival.sanitise());
        let breakers = self.sources.values_mut();
        changed += breakers
            .filter_map(|held| held.sanitise(now, config.breaker_max).then_some(()))
            .count();
        let hosts = self.hosts.values_mut();
        changed += hosts
            .filter_map(|held| held.sanitise(now, config.backoff_max).then_some(()))
            .count();
        changed += self.introducers.sanitise(now, config.introducers_max);
        changed += record::drop_if_large(&mut self.unknown);
        while self.sources.len() > config.sources_max {
            self.sources.pop_last();
            changed += 1;
        }
        while self.hosts.len() > config.hosts_max {
            self.hosts.pop_last();
            changed += 1;
        }
        changed
    }
}

impl MemoryDelta {
    /// What to save, given what is saved now.
    pub fn onto(&self, saved: Option<Memory>) -> Memory {
        let Some(saved) = saved else {
            return self.memory.clone();
        };
        let mut merged = self.memory.clone();
        // Whoever came first has already placed hearsay by its secret.
        merged.secret = saved.secret;
        merged.survival = saved.survival.plus(&self.unsaved_survival);
        for (source, breaker) in &saved.sources {
            merged.sources.entry(source.clone()).or_insert(*breaker);
        }
        merged.introducers.join(&saved.introducers);
        record::merge_unknown(&mut merged.unknown, &saved.unknown);
        merged
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_came_first_keeps_its_secret_and_lessons_add_up() {
        let day = Duration::from_secs(86_400);
        let mut lesson = SurvivalCounts::default();
        lesson.learn(day, day, true);
        let saved = Memory {
            secret: [1; 16],
            survival: lesson,
            ..Memory::default()
        };
        let ours = Memory {
            secret: [2; 16],
            survival: lesson,
            ..Memory::default()
        };
        let delta = MemoryDelta {
            memory: ours.clone(),
            unsaved_survival: lesson,
        };
        let merged = delta.onto(Some(saved));
        assert_eq!(merged.secret, [1; 16]);
        assert_eq!(merged.survival, lesson.plus(&lesson));
        assert_eq!(delta.onto(None), ours);
    }

    #[test]
    fn mistake_14_no_wait_outlasts_its_limit_and_no_map_its_bound() {
        let config = Config {
            sources_max: 3,
            hosts_max: 2,
            breaker_max: Duration::from_secs(60),
            ..Config::default()
        };
        let for_ever = Backoff {
            failures: 1,
            until: Time::from_millis(u64::MAX),
        };
        let mut memory = Memory::default();
        for n in 0..9u8 {
            memory.sources.insert(Text::new(&n.to_string()), for_ever);
            memory.hosts.insert(IpAddr::from([8, 8, 8, n]), for_ever);
        }
        let now = Time::from_millis(5);
        assert!(memory.sanitise(now, &config) > 0);
        assert_eq!((memory.sources.len(), memory.hosts.len()), (3, 2));
        assert!(
            memory
                .hosts
                .values()
                .all(|host| host.is_over(now + config.backoff_max))
        );
        assert!(
            memory
                .sources
                .values()
                .all(|breaker| breaker.is_over(now + config.breaker_max))
        );
        assert_eq!(memory.sanitise(now, &config), 0);
    }
}
