//! Lists we have had, with what their server calls that version of them: asked again, it only says
//! that nothing has changed. Kept in the data folder; losing the file costs one download.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use super::list::{Expected, List};
use crate::folder::Folder;

/// The file's name.
pub const FILE: &str = "lists.json";

/// Eight lists of the largest size; URLs beyond are not kept.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
const LISTS_MAX: usize = 8;

/// A server's name for a version is a hash as a rule.
const ETAG_BYTES_MAX: usize = 256;

/// The lists of the last time, by URL.
#[derive(Debug, Default)]
pub struct Lists {
    by_url: BTreeMap<String, Kept>,
    /// Peers are not to be found on this disk.
    nameless: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    etag: String,
    /// Whose signature was wanted, for what was good without one may not be good with it.
    signer: Option<String>,
    network: String,
    issued: Option<u64>,
    expires: Option<u64>,
    addresses: Vec<Multiaddr>,
}

impl Lists {
    /// What is kept. A file that cannot be read is as good as none.
    pub fn load(folder: &Folder) -> Self {
        let bytes = folder.read_at_most(FILE, FILE_BYTES_MAX).ok().flatten();
        let by_url = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            by_url: by_url.unwrap_or_default(),
            nameless: false,
        }
    }

    /// Keeps of each list only when it was signed, from here on and of those kept so far: enough to
    /// refuse an older one, and nothing of any peer.
    #[must_use]
    pub fn without_peers(mut self) -> Self {
        self.nameless = true;
        for kept in self.by_url.values_mut() {
            kept.forget_peers();
        }
        self
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.by_url.is_empty()
    }

    /// What the server called the list we have, if that is still what we expect of it.
    pub fn etag(&self, url: &str, expected: Expected<'_>) -> Option<&str> {
        Some(&self.fitting(url, expected)?.etag)
    }

    /// The list we have.
    pub fn list(&self, url: &str, expected: Expected<'_>) -> Option<List> {
        let kept = self.fitting(url, expected)?;
        Some(List {
            addresses: kept.addresses.clone(),
            issued: kept.issued,
            expires: kept.expires,
        })
    }

    /// When the list we had from there was signed.
    pub fn issued(&self, url: &str) -> Option<u64> {
        self.by_url.get(url)?.issued
    }

    /// Keeps a list. One without a name of its version replaces what we had all the same.
    pub fn keep(&mut self, url: &str, etag: Option<&str>, list: &List, expected: Expected<'_>) {
        let room = self.by_url.len() < LISTS_MAX || self.by_url.contains_key(url);
        let etag = etag.filter(|etag| etag.len() <= ETAG_BYTES_MAX);
        if !room {
            return;
        }
        let mut kept = Kept {
            etag: etag.unwrap_or_default().into(),
            signer: expected.signer.map(|signer| signer.to_string()),
            network: expected.network.into(),
            issued: list.issued,
            expires: list.expires,
            addresses: list.addresses.clone(),
        };
        if self.nameless {
            kept.forget_peers();
        }
        self.by_url.insert(url.into(), kept);
    }

    /// Writes them down.
    pub fn save(&self, folder: &Folder) {
        let json = serde_json::to_vec(&self.by_url).unwrap_or_default();
        let fits = u64::try_from(json.len()).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX);
        if fits && let Err(error) = folder.write_private(FILE, &json) {
            tracing::warn!(%error, "unchanged lists will be downloaded again");
        }
    }

    fn fitting(&self, url: &str, expected: Expected<'_>) -> Option<&Kept> {
        let kept = self.by_url.get(url)?;
        let signer: Option<PeerId> = kept.signer.as_ref().and_then(|it| it.parse().ok());
        let fits = signer == expected.signer
            && kept.network == expected.network
            && kept.expires.is_none_or(|end| end > expected.now_ms)
            && !kept.etag.is_empty();
        fits.then_some(kept)
    }
}

impl Kept {
    /// Without the list its version is of no use: it would only be said to be unchanged.
    fn forget_peers(&mut self) {
        self.addresses.clear();
        self.etag.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.org/";

    fn expected(signer: Option<PeerId>, network: &str, now_ms: u64) -> Expected<'_> {
        Expected {
            signer,
            network,
            now_ms,
        }
    }

    #[test]
    fn what_is_kept_counts_only_for_what_was_asked_then() {
        let mut lists = Lists::default();
        let signer = Some(PeerId::random());
        let list = List {
            expires: Some(100),
            ..List::default()
        };
        lists.keep(URL, Some("\"1\""), &list, expected(signer, "main", 1));
        let etag = |expected| lists.etag(URL, expected);
        assert_eq!(etag(expected(signer, "main", 99)), Some("\"1\""));
        assert_eq!(etag(expected(signer, "main", 100)), None);
        assert_eq!(etag(expected(signer, "theirs", 1)), None);
        assert_eq!(etag(expected(None, "main", 1)), None);
        assert_eq!(lists.etag("https://b/", expected(signer, "main", 1)), None);
    }

    #[test]
    fn where_no_peer_may_be_found_only_the_date_of_a_list_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().join("data"));
        let _claim = folder.claim().unwrap();
        let now = expected(None, "main", 1);
        let list = List {
            addresses: vec!["/ip4/8.8.4.4/tcp/1".parse().unwrap()],
            issued: Some(7),
            expires: None,
        };
        let mut lists = Lists::load(&folder);
        lists.keep("https://a/", Some("1"), &list, now);
        lists.save(&folder);
        let mut lists = Lists::load(&folder).without_peers();
        lists.keep("https://b/", Some("1"), &list, now);
        lists.save(&folder);
        let text = std::fs::read_to_string(folder.file(FILE)).unwrap();
        assert!(!text.contains("8.8.4.4"), "{text}");
        let lists = Lists::load(&folder);
        for url in ["https://a/", "https://b/"] {
            assert_eq!(lists.issued(url), Some(7));
            assert_eq!(lists.etag(url, now), None);
        }
    }

    #[test]
    fn what_is_kept_outlives_the_program_and_is_bounded() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().join("data"));
        let _claim = folder.claim().unwrap();
        let now = expected(None, "main", 1);
        let mut lists = Lists::load(&folder);
        for n in 0..2 * LISTS_MAX {
            lists.keep(&format!("{URL}{n}"), Some("\"1\""), &List::default(), now);
        }
        lists.keep(
            &format!("{URL}0"),
            Some(&"x".repeat(999)),
            &List::default(),
            now,
        );
        lists.save(&folder);
        let lists = Lists::load(&folder);
        assert_eq!(lists.by_url.len(), LISTS_MAX);
        assert_eq!(lists.list(&format!("{URL}1"), now), Some(List::default()));
        assert_eq!(
            lists.etag(&format!("{URL}0"), now),
            None,
            "its name is too long"
        );
        std::fs::write(folder.file(FILE), "nonsense").unwrap();
        assert_eq!(Lists::load(&folder).by_url.len(), 0);
    }
}
