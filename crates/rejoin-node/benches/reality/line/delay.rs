//! A line between two namespaces that holds every packet back, for as long as the far end of it is away:
//! a TUN device in each, and between them this program. The kernels do the rest, TCP's own handshake
//! among it, as over a real line.
#![expect(
    clippy::disallowed_methods,
    reason = "a line is nothing but waiting for a moment"
)]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::Ipv4Addr,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tun_rs::{DeviceBuilder, SyncDevice};

/// How far away whoever lives at an address is, one way.
pub type Distances = Arc<HashMap<Ipv4Addr, Duration>>;

/// What fits into one packet; the devices are set to less.
const PACKET_BYTES_MAX: usize = 2_048;

/// Packets on their way at once, before the sender has to wait.
const ON_THEIR_WAY_MAX: usize = 65_536;

/// When a packet arrives, which one of all it is, and what is in it.
type OnItsWay = Reverse<(Instant, u64, Vec<u8>)>;

/// Lays a line between two devices of these names, the near one first, which are to be moved to where its
/// ends shall be. It lasts as long as they do.
pub fn lay(names: [&str; 2], distances: &Distances) {
    let [near, far] = names.map(|name| {
        let device = DeviceBuilder::new().name(name).build_sync();
        Arc::new(device.expect("a TUN device"))
    });
    // The address of the far end is where a packet goes to, or where it comes from.
    carry(&near, &far, DESTINATION, distances);
    carry(&far, &near, SOURCE, distances);
}

/// Where these stand in the header of a packet.
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

fn carry(from: &Arc<SyncDevice>, to: &Arc<SyncDevice>, far_end: usize, distances: &Distances) {
    let (sender, on_their_way) = mpsc::sync_channel(ON_THEIR_WAY_MAX);
    let (from, to, distances) = (Arc::clone(from), Arc::clone(to), Arc::clone(distances));
    thread::spawn(move || {
        let mut buffer = [0; PACKET_BYTES_MAX];
        for nth in 0.. {
            let Ok(bytes) = from.recv(&mut buffer) else {
                return; // its namespace is gone
            };
            let packet = &buffer[..bytes];
            let address = packet.get(far_end..far_end + 4);
            let Some(Ok(address)) = address.map(<[u8; 4]>::try_from) else {
                continue;
            };
            // Whoever lives nowhere is never reached.
            let Some(distance) = distances.get(&Ipv4Addr::from(address)) else {
                continue;
            };
            let arrives = Instant::now() + *distance;
            if sender
                .send(Reverse((arrives, nth, packet.to_vec())))
                .is_err()
            {
                return;
            }
        }
    });
    thread::spawn(move || deliver(&on_their_way, &to));
}

/// Hands over each packet when its time has come.
fn deliver(sent: &Receiver<OnItsWay>, to: &SyncDevice) {
    let mut waiting: BinaryHeap<OnItsWay> = BinaryHeap::new();
    loop {
        let wait = waiting
            .peek()
            .map_or(Duration::from_secs(3_600), |Reverse((at, ..))| {
                at.saturating_duration_since(Instant::now())
            });
        match sent.recv_timeout(wait) {
            Ok(packet) => waiting.push(packet),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while waiting
            .peek()
            .is_some_and(|Reverse((at, ..))| *at <= Instant::now())
            && let Some(Reverse((_, _, packet))) = waiting.pop()
        {
            let _ = to.send(&packet); // a full device loses it, as a line does
        }
    }
}
