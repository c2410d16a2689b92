//! How much is remembered. It is kept from run to run: a node that was started once without the option
//! must not forget everybody beyond the usual thousand.

use rejoin::Config;
use rejoin_core::retention::Rule;
use serde::{Deserialize, Serialize};

use crate::{failure::Failure, folder::Folder};

/// The file's name.
const FILE: &str = "limits.json";

/// How many of the peers we met are remembered, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// So many at all.
    pub remember: usize,
    /// So many of them in memory, and the rest on the disk alone.
    pub hot: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let config = Config::default();
        Self {
            remember: config.proven_cap(),
            hot: config.hot_max,
        }
    }
}

impl Limits {
    /// Those of the last run.
    ///
    /// # Errors
    /// If the file is there and cannot be read: with other limits than the user's we might forget whom
    /// they want remembered.
    pub fn load(folder: &Folder) -> Result<Self, Failure> {
        let Some(bytes) = folder.read(FILE)? else {
            return Ok(Self::default());
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            let path = folder.file(FILE);
            Failure::file("read", path)(error.into())
        })
    }

    /// Keeps them for the next run, unless they are what they would be anyway.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, folder: &Folder) -> Result<(), Failure> {
        if Self::load(folder).is_ok_and(|kept| kept == *self) {
            return Ok(());
        }
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        folder.write_private(FILE, &json)
    }

    /// An engine's settings with these.
    #[must_use]
    pub fn put_into(self, config: Config) -> Config {
        let mut retention = config.retention;
        for rule in &mut retention {
            if let Rule::ProvenCap(most) = rule {
                *most = self.remember;
            }
        }
        // Beside the proven there is hearsay, and a fifth more of all before it is urgent.
        let heard = config.hearsay_buckets * config.hearsay_bucket_size;
        let held = self.hot.min(self.remember).saturating_add(heard);
        Config {
            retention,
            hot_max: self.hot,
            peers_max: config.peers_max.max(held.saturating_add(held / 5)),
            ..config
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_choice_they_are_the_engines_own() {
        let config = Config::default();
        assert_eq!(Limits::default().put_into(config.clone()), config);
    }

    #[test]
    fn a_choice_is_kept_for_the_next_run() {
        let (_home, folder) = folder();
        let chosen = Limits {
            remember: 1_000_000,
            hot: 50_000,
        };
        chosen.save(&folder).unwrap();
        let kept = Limits::load(&folder).unwrap();
        assert_eq!(kept, chosen);
        let config = kept.put_into(Config::default());
        assert!(config.retention.contains(&Rule::ProvenCap(1_000_000)));
        assert_eq!(config.hot_max, 50_000);
        assert!(config.peers_max > 50_000 + 1_024);
    }

    #[test]
    fn the_usual_needs_no_file_and_one_that_cannot_be_read_is_not_passed_over() {
        let (_home, folder) = folder();
        Limits::default().save(&folder).unwrap();
        assert!(!folder.file(FILE).exists());
        std::fs::write(folder.file(FILE), b"{").unwrap();
        let error = Limits::load(&folder).unwrap_err().to_string();
        assert!(error.contains(FILE), "{error}");
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().into());
        (home, folder)
    }
}
