//! A process that does nothing but save, and says so each time.

use std::io::{Write, stdout};

use rejoin_core::{
    AddressRecord, Changes, Counts, PeerDelta, PeerKey, PeerRecord, Source, Time, decay::Decayed,
};
use rejoin_store::StoreError;

/// How a copy of this program is told to write.
pub const TASK: &str = "write";

/// All happens at one moment, so that nothing fades and every count is exact.
pub const NOW: Time = Time::from_millis(1_720_000_000_000);

/// A peer all writers count dials of.
pub const SHARED: u64 = u64::MAX;

/// The peer that one writer alone counts dials of.
pub fn peer(number: u64) -> PeerKey {
    PeerKey::new(&number.to_be_bytes()).expect("eight bytes are a key")
}

/// How many dials were counted of a peer.
pub fn counted(record: &PeerRecord) -> u64 {
    record.evidence.dials_ok.latest().round() as u64
}

/// Counts one dial more of its own peer and of the shared one in each commit, and writes a line once it
/// has been told that this is saved.
pub fn write_for_ever(url: &str, number: u64) -> ! {
    let mut store = patiently(|| rejoin_store::open(url, NOW)).store;
    let changes = Changes {
        peers: vec![one_more(number), one_more(SHARED)],
        ..Changes::default()
    };
    loop {
        patiently(|| store.commit(&changes, NOW));
        let mut out = stdout().lock();
        // Whoever started us may be gone, and then so are we.
        if writeln!(out).and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }
}

/// Tries again for as long as others are in the way.
pub fn patiently<T>(mut attempt: impl FnMut() -> Result<T, StoreError>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(StoreError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn one_more(number: u64) -> PeerDelta {
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
