//! One commit, from what changed to rows: what is saved is read, joined with that, and written back.

use rejoin_core::{Changes, Counts, PeerDelta, Time};
use rusqlite::{Connection, TransactionBehavior};

use super::rows;
use crate::{seal::Seal, shelf::merge};

/// What a commit did.
#[derive(Default)]
pub(super) struct Effect {
    pub(super) wrote: bool,
    pub(super) forgot: bool,
}

/// `None` if the database is no longer sealed as we know it; then nothing has changed.
pub(super) fn commit(
    conn: &mut Connection,
    seal: &Seal,
    changes: &Changes,
    now: Time,
) -> rusqlite::Result<Option<Effect>> {
    let mut effect = Effect::default();
    // Immediate: what is read here is still true when it is written.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !rows::has_seal(&tx, seal)? {
        return Ok(None);
    }
    for delta in in_order_of_rows(&changes.peers, seal) {
        let key = &delta.record.key;
        // Nothing of what was counted has been saved: most likely there is no such peer either.
        let is_new = delta.unsaved == Counts::of(&delta.record.evidence);
        if is_new && rows::put_new(&tx, seal, &merge(delta, None, now))? {
            effect.wrote = true;
            continue;
        }
        let saved = rows::saved(&tx, seal, key)?;
        let known = saved.as_ref().and_then(|saved| seal.record(&saved.text));
        let mut known = known.filter(|known| known.key == *key);
        if let Some(record) = &mut known {
            record.sanitise(now);
        }
        let merged = merge(delta, known, now);
        effect.wrote |= rows::put(&tx, seal, &merged, saved.as_ref())?;
    }
    for key in &changes.forgotten {
        effect.forgot |= rows::remove(&tx, seal, key)?;
    }
    effect.wrote |= effect.forgot;
    if let Some(delta) = &changes.memory {
        let saved = rows::saved_memory(&tx)?;
        let known = saved.as_deref().and_then(|text| seal.memory(text));
        let mut merged = delta.onto(known);
        merged.survival.sanitise();
        effect.wrote |= rows::put_memory(&tx, seal, &merged, saved.as_deref())?;
    }
    tx.commit()?;
    Ok(Some(effect))
}

/// In order of the names of their rows, so that one page after the other is written. They come in order of
/// key; what stands for a sealed key is in another order.
fn in_order_of_rows<'a>(peers: &'a [PeerDelta], seal: &Seal) -> Vec<&'a PeerDelta> {
    let mut peers: Vec<_> = peers.iter().collect();
    if seal.is_whole() {
        peers.sort_by_cached_key(|delta| seal.row_key(&delta.record.key));
    }
    peers
}
