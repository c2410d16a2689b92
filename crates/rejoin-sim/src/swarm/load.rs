//! What a node sends and receives, minute by minute of its life, by kind. Sizes are those of the wire,
//! estimated: the bytes that travel here are stand-ins.

use serde::Serialize;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Dialling, being dialled, and saying who one is.
    Dial,
    /// Asking for peers and answering.
    Pex,
    /// Telling of peers unasked.
    Gossip,
    /// Showing life.
    Ping,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Dial, Self::Pex, Self::Gossip, Self::Ping];

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dial => "dials",
            Self::Pex => "peer exchange",
            Self::Gossip => "gossip",
            Self::Ping => "pings",
        }
    }
}

/// A dial that nobody answers: a SYN and two retransmissions of 60 bytes.
pub(crate) const SILENCE: Parcel = Parcel::new(3, 180);
/// A dial that is refused: a SYN and a reset.
pub(crate) const REFUSAL: Parcel = Parcel::new(2, 100);
/// TCP, Noise and Yamux up to an authenticated connection, or to the wrong peer: four messages each way with
/// some 1,000 bytes of handshake and 40 of headers each.
pub(crate) const HANDSHAKE: Parcel = Parcel::new(8, 1_320);
/// Identify, both ways: key, addresses, protocols and a signed record.
pub(crate) const IDENTIFY: Parcel = Parcel::new(2, 1_400);
/// A ping and its answer: 32 bytes, and 70 of Yamux, Noise, TCP and IP.
pub(crate) const PING: Parcel = Parcel::new(2, 204);

/// A question for peers, with what the asker says of itself or without.
pub(crate) const fn question(own: bool) -> Parcel {
    let records = if own { RECORD } else { 0 };
    Parcel::new(1, REQUEST + records)
}

/// An answer with so many records.
pub(crate) const fn answer(records: usize) -> Parcel {
    Parcel::new(1, REQUEST + records as u32 * RECORD)
}

/// One message of gossip with so many records.
pub(crate) const fn gossip(records: usize) -> Parcel {
    Parcel::new(1, PUBLISH + records as u32 * RECORD)
}

/// A signed record with two addresses: key, signature, payload, and its place in a list.
const RECORD: u32 = 300;
/// A stream's protocol name, a length, and the headers of what carries it.
const REQUEST: u32 = 150;
/// Topic, number, sender and signature of gossipsub, and the headers of what carries it.
const PUBLISH: u32 = 250;

/// Messages on their way, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parcel {
    messages: u32,
    bytes: u32,
}

impl Parcel {
    const fn new(messages: u32, bytes: u32) -> Self {
        Self { messages, bytes }
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// One minute of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load([Parcel; Kind::ALL.len()]);

impl Load {
    pub(crate) fn add(&mut self, kind: Kind, parcel: Parcel) {
        self.0[kind as usize].add(parcel);
    }
}

/// Many minutes of many nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads(Vec<Load>);

impl Loads {
    pub(crate) fn push(&mut self, minute: Load) {
        self.0.push(minute);
    }

    /// What the minutes came to, kind by kind, and all of it together.
    pub(crate) fn sum_up(&self) -> Vec<Row> {
        let kinds = Kind::ALL.map(|kind| self.row(Some(kind)));
        kinds.into_iter().chain([self.row(None)]).collect()
    }

    fn row(&self, kind: Option<Kind>) -> Row {
        let of = |number: fn(&Parcel) -> u32| {
            let minute = |load: &Load| match kind {
                Some(kind) => number(&load.0[kind as usize]),
                None => load.0.iter().map(number).sum(),
            };
            Spread::of(self.0.iter().map(minute).collect())
        };
        Row {
            kind,
            messages: of(|parcel| parcel.messages),
            bytes: of(|parcel| parcel.bytes),
        }
    }
}

/// What a node sends and receives in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Of this kind; `None` is all of it.
    pub kind: Option<Kind>,
    /// Messages, both ways.
    pub messages: Spread,
    /// Bytes, both ways.
    pub bytes: Spread,
}

/// How some numbers are spread. All zero if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Half are not above this.
    pub p50: u32,
    /// 95 of 100 are not above this.
    pub p95: u32,
    /// None is above this.
    pub max: u32,
}

impl Spread {
    /// Percentiles by nearest rank.
    pub(crate) fn of(mut numbers: Vec<u32>) -> Self {
        let Some(max) = numbers.iter().max().copied() else {
            return Self::default();
        };
        let sum: u64 = numbers.iter().map(|number| u64::from(*number)).sum();
        let mean = sum as f64 / numbers.len() as f64;
        let mut rank = |percent: usize| {
            let place = (numbers.len() * percent).div_ceil(100) - 1;
            *numbers.select_nth_unstable(place).1
        };
        Self {
            mean,
            p50: rank(50),
            p95: rank(95),
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_by_nearest_rank() {
        check((1..=100).collect(), 50, 95, 100);
        check((1..=100).rev().collect(), 50, 95, 100);
        check(vec![7], 7, 7, 7);
        check(vec![1, 9], 1, 9, 9);
        check(Vec::new(), 0, 0, 0);
    }

    #[track_caller]
    fn check(numbers: Vec<u32>, p50: u32, p95: u32, max: u32) {
        let spread = Spread::of(numbers);
        assert_eq!([spread.p50, spread.p95, spread.max], [p50, p95, max]);
    }

    #[test]
    fn minutes_are_summed_up_by_kind_and_together() {
        let mut minute = Load::default();
        minute.add(Kind::Ping, PING);
        minute.add(Kind::Ping, PING);
        minute.add(Kind::Pex, answer(50));
        let mut loads = Loads::default();
        loads.push(minute);
        loads.push(Load::default());
        let rows = loads.sum_up();
        let row = |kind| *rows.iter().find(|row| row.kind == kind).unwrap();
        assert_eq!(row(Some(Kind::Ping)).messages.max, 4);
        assert_eq!(row(Some(Kind::Ping)).bytes.mean, 204.0);
        assert_eq!(row(Some(Kind::Pex)).bytes.max, 15_150);
        assert_eq!(row(Some(Kind::Gossip)).messages.max, 0);
        assert_eq!(row(None).messages.max, 5);
    }
}
