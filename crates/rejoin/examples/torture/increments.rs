//! Commits that can be counted again: each adds one dial to a peer that its writer alone counts, and one
//! to a peer that all writers share.

use std::collections::BTreeMap;

use rejoin_core::{
    AddressRecord, Changes, Counts, PeerDelta, PeerKey, PeerRecord, Source, Time, decay::Decayed,
};
use rejoin_store::{Notice, StoreError};

/// All happens at one moment, so that nothing fades and every count is exact.
pub const NOW: Time = Time::from_millis(1_720_000_000_000);

/// The peer all writers count dials of.
pub const SHARED: u64 = u64::MAX;

/// One commit of the writer with this number.
pub fn one_more(number: u64) -> Changes {
    Changes {
        peers: vec![one_more_dial(number), one_more_dial(SHARED)],
        ..Changes::default()
    }
}

/// The peer that one writer alone counts dials of.
fn peer(number: u64) -> PeerKey {
    PeerKey::new(&number.to_be_bytes()).expect("eight bytes are a key")
}

/// One dial of this peer.
pub fn one_more_dial(number: u64) -> PeerDelta {
    let mut record = PeerRecord::new(peer(number), NOW);
    let port = number % 60_000 + 1;
    let address = format!("/ip4/8.8.4.4/tcp/{port}").parse();
    let address = address.expect("an address");
    record
        .addresses
        .push(AddressRecord::new(address, Source::Swarm, NOW));
    record.last_connected = Some(NOW);
    let unsaved = Counts {
        dials_ok: Decayed::new(1.0, NOW),
        ..Counts::default()
    };
    unsaved.put_into(&mut record.evidence);
    PeerDelta { record, unsaved }
}

/// What a store holds after all.
#[derive(Debug)]
pub struct Saved {
    counts: BTreeMap<PeerKey, u64>,
    /// What was found wrong on opening, apart from a store that is new.
    pub notices: Vec<Notice>,
    /// Records that could not be read.
    pub unreadable: u64,
}

impl Saved {
    /// Opens the store as the next start would. Others may be in the way for a while.
    pub fn read(url: &str) -> Result<Self, StoreError> {
        let opened = patiently(|| rejoin_store::open(url, NOW))?;
        let mut store = opened.store;
        let records = patiently(|| store.scan(None, usize::MAX))?;
        let mut notices = [opened.notice, store.take_notices()].concat();
        notices.retain(|notice| !matches!(notice, Notice::Created { .. } | Notice::Empty { .. }));
        Ok(Self {
            notices,
            unreadable: store.repairs().unreadable as u64,
            counts: records
                .iter()
                .map(|it| (it.key.clone(), dials(it)))
                .collect(),
        })
    }

    /// How many commits of this writer are in it.
    pub fn count(&self, number: u64) -> u64 {
        self.counts.get(&peer(number)).copied().unwrap_or(0)
    }
}

fn dials(record: &PeerRecord) -> u64 {
    record.evidence.dials_ok.latest().round() as u64
}

/// Tries again for as long as others are in the way.
pub fn patiently<T>(mut attempt: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match attempt() {
            Err(StoreError::Busy { .. }) => {}
            result => return result,
        }
    }
}
