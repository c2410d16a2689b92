//! Everybody who fits, one after another as the store has them: a line of JSON each, however many there
//! are. What a running node knows is in its store within seconds.

use rejoin::{PeerKey, PeerRecord, Time, query::Filter};
use rejoin_store::{PeerStore, StoreError};

use crate::answer::PeerRow;

/// Peers read at once.
const PAGE: usize = 1_000;

/// Hands out a page of lines at a time, as long as they are taken: in order of key, from behind `after` on.
///
/// # Errors
/// If the store cannot be read.
pub fn lines(
    store: &mut dyn PeerStore,
    filter: &Filter,
    mut after: Option<PeerKey>,
    now: Time,
    mut take: impl FnMut(String) -> bool,
) -> Result<(), StoreError> {
    loop {
        let page = store.scan(after.as_ref(), PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.key.clone());
        let fitting = filter.among(page.iter(), now);
        let lines: String = fitting.map(|record| line(record, now)).collect();
        if !take(lines) || is_last {
            return Ok(());
        }
    }
}

/// Who is connected only the node knows, and nobody here asks it.
fn line(record: &PeerRecord, now: Time) -> String {
    let row = PeerRow::new(record, false, now);
    let mut line = serde_json::to_string(&row).unwrap_or_default();
    line.push('\n');
    line
}
