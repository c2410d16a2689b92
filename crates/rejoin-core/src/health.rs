//! What the silence of a connected peer means: how long it may last before the connection no longer
//! counts, and before it is dead.
//!
//! One rule: **a connection counts while it is awake, and only what its peer sends keeps it awake.**
//! Who is well answers every ping, so one that says nothing for little more than a minute sleeps, or is
//! cut off: it may come back, but nobody can rely on it, and others are looked for; where there are none,
//! it is dialled anew. A program that says nothing for three minutes is gone. A browser slows its hidden tabs down and stops them altogether,
//! so a page gets five. After our own machine slept, every connection has to show life anew.
//!
//! Everything here is pure; who is connected, and when the next look is due, stands in `links`.

use std::time::Duration;

use multiaddr::Protocol;

use crate::{
    address::{Address, Transport},
    config::Config,
    input::{Direction, Identified},
    time::Time,
};

/// What is at the other end of a connection, as far as its silence is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// A program that runs for as long as its machine does.
    Program,
    /// A page in a browser, or what cannot be told from one.
    Browser,
}

/// How a connection is, and until when if nothing more comes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// It counts.
    Awake {
        /// Until then.
        until: Time,
    },
    /// It is up and counts for nothing.
    Asleep {
        /// Until then; after that it is dead.
        until: Time,
    },
    /// It is to be closed.
    Dead,
}

impl FarEnd {
    /// What a fresh connection tells. A page can only dial, and only by WebSocket, WebTransport or
    /// WebRTC; whoever came to us that way may be one. Whom we dialled listens, as no page can,
    /// unless it was by WebRTC through a relay (`/webrtc`): two pages meet like that.
    pub fn guess(address: &Address, direction: Direction) -> Self {
        let for_pages = match direction {
            Direction::Inbound => is_open_to_pages(address),
            Direction::Outbound(_) => address.parts().any(|part| part == Protocol::WebRTC),
        };
        if for_pages {
            Self::Browser
        } else {
            Self::Program
        }
    }

    /// What the peer's own word adds. js-libp2p names the browser in its agent. Who says that it
    /// listens for TCP or QUIC is none, however it came. A lie gains nothing: a made-up browser
    /// counts for less, and a made-up program is closed sooner.
    pub fn told(self, told: &Identified) -> Self {
        if says_browser(&told.agent) {
            Self::Browser
        } else if told.addresses.iter().any(is_closed_to_pages) {
            Self::Program
        } else {
            self
        }
    }

    /// After so much silence it is dead.
    fn dies_after(self, config: &Config) -> Duration {
        match self {
            Self::Program => config.stale_after.max(config.sleeps_after),
            Self::Browser => config.browser_stale_after.max(config.sleeps_after),
        }
    }
}

/// How a connection is that last brought something at `heard`, on a machine that last woke at
/// `woke`.
pub fn pulse(heard: Time, far_end: FarEnd, woke: Time, now: Time, config: &Config) -> Pulse {
    let dead_at = heard + far_end.dies_after(config);
    let (asleep_at, dead_at) = if heard >= woke {
        (heard + config.sleeps_after, dead_at)
    } else {
        // It gets the time of a ping. A page that slept already keeps what time it had.
        let answer_by = woke + config.wake_grace;
        match far_end {
            FarEnd::Program => (woke, answer_by),
            FarEnd::Browser => (woke, answer_by.max(dead_at)),
        }
    };
    if now >= dead_at {
        Pulse::Dead
    } else if now >= asleep_at {
        Pulse::Asleep { until: dead_at }
    } else {
        Pulse::Awake { until: asleep_at }
    }
}

fn is_open_to_pages(address: &Address) -> bool {
    match address.transport() {
        Transport::WebSocket | Transport::WebTransport | Transport::WebRtc => true,
        Transport::Tcp
        | Transport::Quic
        | Transport::Relay
        | Transport::Memory
        | Transport::Other => false,
    }
}

/// No page can listen there.
fn is_closed_to_pages(address: &Address) -> bool {
    matches!(address.transport(), Transport::Tcp | Transport::Quic)
}

/// js-libp2p writes `js-libp2p/2.8.0 browser/Mozilla/5.0 …`, and older ones `UserAgent=Mozilla/…`;
/// every browser calls itself Mozilla.
fn says_browser(agent: &str) -> bool {
    agent.contains(" browser/") || agent.contains("Mozilla/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::Scope;

    const T: Time = Time::from_millis(10_000_000);
    const WEBSOCKET: &str = "/ip4/8.8.4.4/tcp/1/ws";
    const PAGE: &str = "js-libp2p/2.8.0 browser/Mozilla/5.0 (X11; Linux x86_64)";

    #[test]
    fn who_came_as_only_a_page_has_to_is_taken_for_one() {
        check_guess(WEBSOCKET, Direction::Inbound, FarEnd::Browser);
        let transport = "/ip4/8.8.4.4/udp/1/quic-v1/webtransport";
        check_guess(transport, Direction::Inbound, FarEnd::Browser);
        let direct = "/ip4/8.8.4.4/udp/1/webrtc-direct";
        check_guess(direct, Direction::Inbound, FarEnd::Browser);
        check_guess("/ip4/8.8.4.4/tcp/1", Direction::Inbound, FarEnd::Program);
        let quic = "/ip4/8.8.4.4/udp/1/quic-v1";
        check_guess(quic, Direction::Inbound, FarEnd::Program);
    }

    #[test]
    fn whom_we_dialled_listens_and_is_none_unless_by_webrtc_through_a_relay() {
        let ours = Direction::Outbound(None);
        check_guess(WEBSOCKET, ours, FarEnd::Program);
        check_guess("/ip4/8.8.4.4/udp/1/webrtc-direct", ours, FarEnd::Program);
        let relay = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        let met = format!("/ip4/8.8.4.4/tcp/1/p2p/{relay}/p2p-circuit/webrtc");
        check_guess(&met, ours, FarEnd::Browser);
    }

    #[test]
    fn its_own_word_decides() {
        let (page, program) = (FarEnd::Browser, FarEnd::Program);
        check_told(program, PAGE, &[], page);
        check_told(program, "js-libp2p/1.0.0 UserAgent=Mozilla/5.0", &[], page);
        check_told(page, "go-libp2p/0.40", &["/ip4/8.8.4.4/tcp/1"], program);
        check_told(page, "go-libp2p/0.40", &[WEBSOCKET], page);
        check_told(page, "", &[], page);
        check_told(program, "rejoin/0.1", &[], program);
        check_told(program, PAGE, &["/ip4/8.8.4.4/tcp/1"], page);
    }

    #[test]
    fn a_program_counts_for_75_seconds_of_silence_and_is_dead_after_three_minutes() {
        check_pulse(FarEnd::Program, 0, "awake until 75");
        check_pulse(FarEnd::Program, 75, "asleep until 180");
        check_pulse(FarEnd::Program, 179, "asleep until 180");
        check_pulse(FarEnd::Program, 180, "dead");
    }

    #[test]
    fn a_page_sleeps_after_75_seconds_and_is_dead_after_five_minutes() {
        check_pulse(FarEnd::Browser, 74, "awake until 75");
        check_pulse(FarEnd::Browser, 75, "asleep until 300");
        check_pulse(FarEnd::Browser, 299, "asleep until 300");
        check_pulse(FarEnd::Browser, 300, "dead");
    }

    #[test]
    fn after_our_own_sleep_nobody_counts_before_they_show_life() {
        check_woken(FarEnd::Program, 3_600, 0, "asleep until 20");
        check_woken(FarEnd::Program, 10, 19, "asleep until 20");
        check_woken(FarEnd::Program, 10, 20, "dead");
        check_woken(FarEnd::Browser, 3_600, 19, "asleep until 20");
        check_woken(FarEnd::Browser, 100, 20, "asleep until 200");
        check_woken(FarEnd::Browser, 100, 200, "dead");
    }

    #[track_caller]
    fn check_guess(address: &str, direction: Direction, expected: FarEnd) {
        let address = address.parse().unwrap();
        assert_eq!(FarEnd::guess(&address, direction), expected);
    }

    #[track_caller]
    fn check_told(before: FarEnd, agent: &str, listens: &[&str], expected: FarEnd) {
        let told = Identified {
            peer: "alice".parse().unwrap(),
            addresses: listens.iter().map(|text| text.parse().unwrap()).collect(),
            agent: agent.into(),
            protocols: vec![],
            public_key: vec![],
            scope: Scope::Public,
        };
        assert_eq!(before.told(&told), expected);
    }

    /// Silent for so many seconds on a machine that never slept.
    #[track_caller]
    fn check_pulse(far_end: FarEnd, silent_s: u64, expected: &str) {
        let now = T + Duration::from_secs(silent_s);
        let pulse = pulse(T, far_end, Time::default(), now, &Config::default());
        assert_eq!(in_words(pulse, T), expected);
    }

    /// Silent for so many seconds before the machine woke, and for so many since.
    #[track_caller]
    fn check_woken(far_end: FarEnd, before_s: u64, since_s: u64, expected: &str) {
        let (heard, now) = (
            T - Duration::from_secs(before_s),
            T + Duration::from_secs(since_s),
        );
        let pulse = pulse(heard, far_end, T, now, &Config::default());
        assert_eq!(in_words(pulse, T), expected);
    }

    fn in_words(pulse: Pulse, from: Time) -> String {
        match pulse {
            Pulse::Awake { until } => format!("awake until {}", until.since(from).as_secs()),
            Pulse::Asleep { until } => format!("asleep until {}", until.since(from).as_secs()),
            Pulse::Dead => "dead".into(),
        }
    }
}
