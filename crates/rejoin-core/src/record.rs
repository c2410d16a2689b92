//! What is remembered of one peer: saved facts only. What is true only while the program runs
//! (connections, dials in the air) lives in the machines that need it.

mod repair;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{
    address::{Address, Transport},
    evidence::{ConnectionKind, Evidence},
    key::PeerKey,
    notes::Notes,
    seldom::Seldom,
    signed::Credentials,
    source::Source,
    text::Text,
    time::Time,
};

pub(crate) use repair::drop_if_large;

/// Fields a newer version wrote. We hand them back untouched, so that going back to an older
/// version loses nothing.
pub type Unknown = Seldom<BTreeMap<String, Value>>;

/// How many addresses of one peer are kept: a dual-stack node with TCP, QUIC, WebSocket and WebRTC
/// has eight.
pub const ADDRESSES_MAX: usize = 8;

/// How many places an address is remembered to have worked from: home, work, a phone, a friend.
pub const PLACES_MAX: usize = 4;

/// How many protocols of one peer are kept: twice what a full libp2p node speaks.
pub const PROTOCOLS_MAX: usize = 32;

/// How many bytes of unknown fields are handed back per peer and per address.
pub const UNKNOWN_BYTES_MAX: usize = 4096;

/// One peer, as saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// Its stable name.
    pub key: PeerKey,
    /// What the application wrote down.
    #[serde(flatten)]
    pub notes: Seldom<Notes>,
    /// What proves its own word.
    #[serde(flatten)]
    pub credentials: Seldom<Credentials>,
    /// Where it may be reached, at most [`ADDRESSES_MAX`].
    #[serde(default, deserialize_with = "no_larger_than_needed")]
    pub addresses: Vec<AddressRecord>,
    /// When we first heard of it.
    pub first_seen: Time,
    /// When it last proved to be alive: something it sent us itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// When we last had an authenticated connection come up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_connected: Option<Time>,
    /// When the last connection to it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_disconnected: Option<Time>,
    /// When we last tried to dial it in vain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failed: Option<Time>,
    /// When it lost its place among the proven, if it ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demoted: Option<Time>,
    /// What really happened between it and us.
    #[serde(default, skip_serializing_if = "is_default")]
    pub evidence: Evidence,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Role,
    /// What the user, or we, decided about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub control: Control,
    /// Fields a newer version wrote.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One way to reach a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressRecord {
    /// The way.
    pub address: Address,
    /// Who told us first.
    pub source: Source,
    /// When they did.
    pub first_heard: Time,
    /// When it last led to the right peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
    /// When it last did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Time>,
    /// How often it failed since it last worked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures_in_row: u32,
    /// How long a dial over it takes until the peer is authenticated, in milliseconds, smoothed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial_ms: Option<f32>,
    /// Round-trip time over it, in milliseconds, smoothed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f32>,
    /// Whether we saw it work with our own eyes, rather than being told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub observed: bool,
    /// Not to be dialled before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_until: Option<Time>,
    /// The places it worked from, newest last, at most [`PLACES_MAX`].
    #[serde(default, skip_serializing_if = "Seldom::is_blank")]
    pub places: Seldom<Vec<Place>>,
    /// Fields a newer version wrote.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A local network we have been on: a keyed hash of what names it, so that the saved memory does
/// not tell where its owner has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

/// What a peer is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// A bootstrap server the user or the network named.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bootstrap: bool,
    /// It relays for others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub relay: bool,
    /// When it last gave us a slot, so that others could reach us through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relayed_us: Option<Time>,
    /// The protocols it speaks, at most [`PROTOCOLS_MAX`].
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub protocols: Arc<[Text<128>]>,
    /// The program it runs, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Text<128>>,
}

/// What the user, or we, decided about a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// Never forgotten, and tried first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pinned: bool,
    /// The application vouches for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trusted: bool,
    /// The user wants it neither dialled nor accepted before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<Time>,
    /// When one of the three above was last decided; of two decisions the later one holds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decided: Time,
    /// What we decided ourselves after it misbehaved. Whatever the user decides later lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned: Option<Box<Ban>>,
    /// We have reached it ourselves, and are connected to it or were when we last stopped or lost
    /// everybody.
    #[serde(default, skip_serializing_if = "is_default")]
    pub anchor: bool,
    /// Not to be dialled before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_until: Option<Time>,
    /// How often we tried to reconnect since it last stayed for a while.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reconnect_attempts: u32,
}

/// A time for which we do not deal with a peer because of what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Since when.
    pub since: Time,
    /// Until when.
    pub until: Time,
}

/// The two pools. Hearsay never touches what is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// We ourselves had an authenticated connection with it.
    Proven,
    /// Somebody told us.
    Hearsay,
}

impl PeerRecord {
    /// A peer we know nothing of but its name.
    pub fn new(key: PeerKey, first_seen: Time) -> Self {
        Self {
            key,
            notes: Seldom::new(),
            credentials: Seldom::new(),
            addresses: Vec::new(),
            first_seen,
            last_seen: None,
            last_connected: None,
            last_disconnected: None,
            last_failed: None,
            demoted: None,
            evidence: Evidence::default(),
            role: Role::default(),
            control: Control::default(),
            unknown: Unknown::new(),
        }
    }

    /// Which pool it belongs to: the proven, unless its last authenticated connection lies before
    /// its demotion.
    pub fn pool(&self) -> Pool {
        if self.last_connected > self.demoted {
            Pool::Proven
        } else {
            Pool::Hearsay
        }
    }

    /// Whether a dial of ours ever got through to it, rather than one of its own to us.
    pub fn was_reached(&self) -> bool {
        self.evidence.dials_ok.latest() > 0.0
    }

    /// Whether the user named it and we have not met it so far.
    pub fn is_sought(&self) -> bool {
        let named = |known: &AddressRecord| known.source == Source::Manual;
        self.last_connected.is_none() && self.addresses.iter().any(named)
    }

    /// Whether we must not deal with it at `now`, be it that the user wants it so or that it
    /// misbehaved.
    pub fn is_blocked(&self, now: Time) -> bool {
        self.blocked_until(now).is_some()
    }

    /// Until when we must not deal with it, if that lies ahead.
    pub fn blocked_until(&self, now: Time) -> Option<Time> {
        let banned = self.control.banned.as_ref().map(|ban| ban.until);
        let until = self.control.blocked_until.max(banned);
        until.filter(|until| now < *until)
    }

    /// Whether the user wants it neither dialled nor accepted at `now`.
    pub fn is_blocked_by_user(&self, now: Time) -> bool {
        self.control.blocked_until.is_some_and(|until| now < until)
    }

    /// How long its connections to us last, in seconds; `None` before the first one ended.
    pub fn session_mean_s(&self) -> Option<f64> {
        let Evidence {
            sessions,
            session_s,
            ..
        } = self.evidence;
        (sessions.latest() > 0.0).then(|| {
            let at = sessions.at().max(session_s.at());
            session_s.value(at) / sessions.value(at)
        })
    }

    /// How long it has been around as far as we have seen ourselves.
    pub fn age(&self) -> Duration {
        match self.last_seen {
            Some(last) => last.since(self.first_seen),
            None => Duration::ZERO,
        }
    }

    /// How long we were last connected to it, once that is over.
    pub fn last_session(&self) -> Option<Duration> {
        let (began, ended) = (self.last_connected?, self.last_disconnected?);
        (ended >= began).then(|| ended.since(began))
    }

    /// When we last had anything to do with it ourselves.
    pub fn last_dealt(&self) -> Option<Time> {
        let happened = [
            self.last_seen,
            self.last_connected,
            self.last_disconnected,
            self.last_failed,
            self.demoted,
        ];
        happened.into_iter().max().flatten()
    }

    /// When anything was last learned of it.
    pub fn last_touched(&self) -> Time {
        let known = self.first_seen.max(self.control.decided);
        known.max(self.last_dealt().unwrap_or(known))
    }

    /// The record of one address.
    pub fn address(&self, address: &Address) -> Option<&AddressRecord> {
        self.addresses
            .iter()
            .find(|known| known.address == *address)
    }

    /// The record of one address, to be changed.
    pub fn address_mut(&mut self, address: &Address) -> Option<&mut AddressRecord> {
        self.addresses
            .iter_mut()
            .find(|known| known.address == *address)
    }
}

impl AddressRecord {
    /// A way somebody told us of.
    pub fn new(address: Address, source: Source, first_heard: Time) -> Self {
        Self {
            address,
            source,
            first_heard,
            last_success: None,
            last_failure: None,
            failures_in_row: 0,
            dial_ms: None,
            rtt_ms: None,
            observed: false,
            backoff_until: None,
            places: Seldom::new(),
            unknown: Unknown::new(),
        }
    }

    /// How a connection over it reaches the peer, as far as the address tells.
    pub fn kind(&self) -> ConnectionKind {
        match self.address.transport() {
            Transport::Relay => ConnectionKind::Relayed,
            _ => ConnectionKind::Direct,
        }
    }
}

/// Adds what only the other side has.
pub(crate) fn merge_unknown(ours: &mut Unknown, theirs: &Unknown) {
    for (name, value) in theirs {
        ours.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// A list that grows as it is read has room for four, and most have one or two.
fn no_larger_than_needed<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<AddressRecord>, D::Error> {
    deserializer.deserialize_seq(NoLargerThanNeeded)
}

struct NoLargerThanNeeded;

impl<'de> Visitor<'de> for NoLargerThanNeeded {
    type Value = Vec<AddressRecord>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut read: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::with_capacity(2);
        while let Some(known) = read.next_element()? {
            list.push(known);
        }
        list.shrink_to_fit();
        Ok(list)
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0.to_be_bytes()))
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::from_str_radix(&String::deserialize(deserializer)?, 16)
            .map(Self)
            .map_err(|_| de::Error::custom("a place is 16 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::Decayed;

    fn alice() -> PeerRecord {
        PeerRecord::new("alice".parse().unwrap(), Time::from_millis(1_000))
    }

    #[test]
    fn a_million_records_are_no_burden() {
        assert!(size_of::<PeerRecord>() <= 288);
        assert!(size_of::<AddressRecord>() <= 128);
    }

    #[test]
    fn a_record_survives_json() {
        let mut record = alice();
        let address = "/ip4/8.8.4.4/tcp/1".parse().unwrap();
        let mut known = AddressRecord::new(address, Source::Mdns, Time::from_millis(2));
        known.places.push(Place(77));
        known.dial_ms = Some(12.5);
        record.addresses.push(known);
        record.last_connected = Some(Time::from_millis(9));
        record.evidence.dials_ok = Decayed::new(1.5, Time::from_millis(9));
        record
            .notes
            .metadata
            .insert(Text::new("note"), Text::new("met in Ulm"));
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<PeerRecord>(&json).unwrap(), record);
    }

    #[test]
    fn fields_of_a_newer_version_are_handed_back() {
        let json = r#"{"key":"alice","first_seen":1,"mood":"fine",
            "addresses":[{"address":"/ip4/8.8.4.4/tcp/1","source":"mdns","first_heard":1,"hue":7}]}"#;
        let record: PeerRecord = serde_json::from_str(json).unwrap();
        let back = serde_json::to_value(&record).unwrap();
        assert_eq!(back["mood"], "fine");
        assert_eq!(back["addresses"][0]["hue"], 7);
    }

    #[test]
    fn a_peer_is_proven_by_our_own_connection_until_demoted() {
        let mut record = alice();
        assert_eq!(record.pool(), Pool::Hearsay);
        record.last_connected = Some(Time::from_millis(5));
        assert_eq!(record.pool(), Pool::Proven);
        record.demoted = Some(Time::from_millis(6));
        assert_eq!(record.pool(), Pool::Hearsay);
        record.last_connected = Some(Time::from_millis(7));
        assert_eq!(record.pool(), Pool::Proven);
    }
}
