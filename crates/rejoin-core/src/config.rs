//! Every number that may be chosen, with the reason for its default.

use std::time::Duration;

use crate::{key::PeerKey, retention::Rule};

/// What the engine may do. Plain data: fill in what differs and take the rest from `Default`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Our own name, so that we never dial ourselves.
    pub me: Option<PeerKey>,
    /// How many connections we want.
    pub target: usize,
    /// Below this many connections we search actively and ask bootstrap servers.
    pub low_water: usize,
    /// How many of the connections must be ones we dialled: while there are fewer we go on dialling,
    /// whoever comes to us. `None` is half the target; more than the target is taken for it.
    pub outbound_reserved: Option<usize>,

    /// Buckets of hearsay; a source's netgroup reaches [`Self::hearsay_buckets_per_source`] of them.
    pub hearsay_buckets: usize,
    /// Hearsay kept per bucket.
    pub hearsay_bucket_size: usize,
    /// In how many buckets all that comes from one netgroup can land.
    pub hearsay_buckets_per_source: usize,

    /// Whom to forget, in the order in which the rules are asked.
    pub retention: Vec<Rule>,
    /// With more peers than this in memory the rules are applied without waiting for their turn.
    pub peers_max: usize,
    /// Proven peers kept in memory at most. Of more than this only the best are; the others stay in the
    /// store, as far as [`Rule::ProvenCap`] lets them, and are recalled when they turn up.
    pub hot_max: usize,

    /// Of more proven peers than this only the best are looked at when somebody is to be dialled, or told
    /// of.
    pub considered_max: usize,

    /// Dials in the air at most.
    pub dials_max: usize,
    /// Addresses tried at once in one dial.
    pub addresses_per_dial: usize,
    /// A dial younger than this is never overdue.
    pub stagger_min: Duration,
    /// A dial older than this is always overdue.
    pub stagger_max: Duration,
    /// A dial is given up after this at the earliest.
    pub dial_timeout_min: Duration,
    /// A dial is given up after this at the latest.
    pub dial_timeout_max: Duration,
    /// A dial gives up its place to somebody who waits for one after this at the latest.
    pub give_way_after: Duration,
    /// One start in this many goes to a peer that is not next in order.
    pub explore_one_in: usize,
    /// Places among the first dials that go to anchors, whatever their score.
    pub anchors_first: usize,

    /// Shortest wait after a failure.
    pub backoff_min: Duration,
    /// Longest wait after a failure.
    pub backoff_max: Duration,
    /// Failing IP addresses remembered.
    pub hosts_max: usize,

    /// How long the memory races alone before bootstrap servers join, unless it is empty.
    pub bootstrap_head_start: Duration,
    /// Who remembers enough peers, the last of them seen no longer ago than this, was away only briefly:
    /// if they do not answer, whatever stopped us has stopped them too, and they will be back.
    pub brief_absence: Duration,
    /// How long the memory races alone after so brief an absence; up to twice that, by lot.
    pub blackout_head_start: Duration,
    /// Places in the air kept free for whom bootstrap servers name, once these are asked.
    pub news_reserve: usize,
    /// How long each kind of sources has before the next one is asked too, and each DNS name,
    /// rendezvous server or URL before the next of its kind.
    pub source_head_start: Duration,
    /// Questions to sources of one kind under way at once.
    pub consults_max: usize,
    /// How long such a question may take.
    pub consult_timeout: Duration,
    /// A source that has answered is not asked again before this.
    pub consult_every: Duration,
    /// Sources known.
    pub sources_max: usize,
    /// Bootstrap servers dialled at once.
    pub bootstrap_dials_max: usize,
    /// A source's breaker opens after this many failures in a row.
    pub breaker_failures: u32,
    /// How long an open breaker stays open at first; doubles with every further failure.
    pub breaker_min: Duration,
    /// How long an open breaker stays open at most.
    pub breaker_max: Duration,

    /// Relays that keep a slot for us at most, while nobody can reach us directly.
    pub relays_max: usize,
    /// How long a relay may take to give us a slot.
    pub relay_answer_within: Duration,
    /// How often a relay is looked for while one is wanted and none is known.
    pub relay_look_every: Duration,

    /// How often the number of connections is compared with `low_water`.
    pub check_every: Duration,
    /// How often hearsay is tested while connections suffice. Who gets through stays until the next one
    /// does.
    pub feeler_every: Duration,
    /// How often more peers are looked for while below `target`.
    pub discover_every: Duration,
    /// How often the memory is pruned.
    pub prune_every: Duration,
    /// How often changes are handed to the store at most.
    pub save_every: Duration,
    /// How long the store may take over one commit before we stop waiting for its answer.
    pub save_timeout: Duration,
    /// A gap between two inputs longer than this means that the machine slept.
    pub sleep_gap: Duration,
    /// A sign of life is written down if the last one written down is older than this.
    pub seen_every: Duration,
    /// A connection over which nothing came for so long sleeps: it counts no more.
    pub sleeps_after: Duration,
    /// A connection over which nothing came for so long is dead.
    pub stale_after: Duration,
    /// A browser's connection over which nothing came for so long is dead.
    pub browser_stale_after: Duration,
    /// A connection from before a sleep of our own machine that stays silent for so long afterwards
    /// is dead.
    pub wake_grace: Duration,
    /// A peer lost alone is dialled again after a random part of this.
    pub reconnect_jitter: Duration,
    /// A lost connection stops being an anchor after this, if others stayed up.
    pub anchor_grace: Duration,

    /// How long a peer stays out that misbehaved so much that it was sent away.
    pub sent_away_for: Duration,
    /// How long a peer stays out that misbehaved so much that it was banned.
    pub banned_for: Duration,

    /// Silent dials in a row, with nothing connected, after which the fault must be ours.
    pub outage_after: usize,
    /// Dials in a row for which our own machine knew no way, after which the fault is ours for sure.
    pub unreachable_after: usize,
    /// Failures held back at most until it is clear whose fault they were.
    pub suspended_max: usize,
    /// A failure is held back no longer than this.
    pub suspended_for: Duration,
    /// First wait between probes while the fault is ours; doubles each time.
    pub probe_min: Duration,
    /// Longest wait between probes while the fault is ours.
    pub probe_max: Duration,

    /// The engine asks to be called at least this often, so that a longer gap means sleep.
    pub nap_max: Duration,
    /// With more connections than this the least valuable are closed.
    pub connections_high: usize,
    /// Down to so many.
    pub connections_low: usize,
    /// A connection younger than this is not closed for being one too many, nor is it counted as
    /// one.
    pub connections_grace: Duration,
    /// How often connections are closed for being too many, at most.
    pub trim_every: Duration,
    /// Connections from one public network that come to us at a time; any more are turned away at once.
    pub inbound_per_netgroup: usize,
    /// Connections the engine keeps track of; any more are turned away at once.
    pub connections_max: usize,
    /// Peers per commit; the rest follows in the next one.
    pub commit_max: usize,
    /// Own addresses and local networks known.
    pub local_max: usize,
    /// Peers one [`Heard`](crate::Input::Heard) may name.
    pub heard_max: usize,
    /// Dials remembered for the restart timeline.
    pub timeline_max: usize,
    /// Peers of which we remember how true their words were.
    pub introducers_max: usize,
    /// What is told to other peers, and taken from them.
    pub exchange: ExchangeConfig,
}

/// What is told to other peers, and taken from them.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeConfig {
    /// Our own addresses are signed anew at most this often.
    pub sign_every: Duration,
    /// Records in one answer, told or taken.
    pub answer_max: usize,
    /// The share of the memory told in one answer at most, from 0 to 1.
    pub share: f64,
    /// Only peers that have shown life within this span are told of.
    pub told_recent: Duration,
    /// Between two questions to different peers while we know too few.
    pub ask_pace: Duration,
    /// Between two questions to one peer; doubles while its answers bring nothing new.
    pub ask_every: Duration,
    /// Between two questions to one peer at most.
    pub ask_every_max: Duration,
    /// Between two questions to anybody while we know enough.
    pub refresh: Duration,
    /// With so many peers of hearsay in memory we know enough.
    pub enough: usize,
    /// One peer is answered once in this span.
    pub asked_every: Duration,
    /// Between two rounds of gossip.
    pub gossip_every: Duration,
    /// From the first connection to the first round.
    pub gossip_first: Duration,
    /// Records in one round, told or taken.
    pub gossip_max: usize,
    /// Nodes that pass on one rumour.
    pub hops_max: u8,
    /// Messages of gossip taken from one neighbour in a minute.
    pub gossip_heard_max: u32,
    /// Rumours waiting to be passed on.
    pub rumours_max: usize,
}

impl Config {
    /// How many of the connections must be ones we dialled.
    pub fn reserve(&self) -> usize {
        let reserved = self.outbound_reserved.unwrap_or(self.target / 2);
        reserved.min(self.target)
    }

    /// How many proven peers are kept in all.
    pub fn proven_cap(&self) -> usize {
        let caps = self.retention.iter().filter_map(|rule| match rule {
            Rule::ProvenCap(most) => Some(*most),
            _ => None,
        });
        caps.min().unwrap_or(usize::MAX)
    }
}

impl Default for Config {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            me: None,
            target: 8,    // Bitcoin Core holds 8 full outbound connections, Radicle 8
            low_water: 5, // enough that losing one or two is no emergency
            outbound_reserved: None, // half: an attacker who dials us can fill the other half only

            hearsay_buckets: 64,     // with 16 each 1,024, as many as the proven
            hearsay_bucket_size: 16, // addrman has 64; a sixteenth of its buckets, a quarter of that
            hearsay_buckets_per_source: 8, // one netgroup reaches an eighth; addrman allows 1/16

            retention: Rule::defaults(),
            peers_max: 2_500,      // both pools, and a quarter more
            hot_max: 100_000,      // 80 MB; far more than the rules above let in
            considered_max: 4_096, // all of a memory of the default size; put in order in two milliseconds

            // Home routers drop bursts of more. `tune`: half of it takes two and a half times the servers,
            // twice as much nearly half as many more dials.
            dials_max: 32,
            addresses_per_dial: 3, // two transports, and the other IP family
            stagger_min: Duration::from_millis(50), // RFC 8305: 10 ms at least; `tune`: 20 to 100 do alike
            stagger_max: Duration::from_millis(150), // RFC 8305: 100 ms to 2 s; `tune`: 100 to 500 do alike
            dial_timeout_min: Duration::from_secs(2), // one lost SYN: retransmitted after 1 s
            dial_timeout_max: Duration::from_secs(5), // two lost SYNs: 1 + 2 s, and an answer
            give_way_after: Duration::from_secs(1), // `tune`: from half of it on it does not matter
            explore_one_in: 8, // one in the first dozen; `tune`: as fast as none, while 4 takes longer
            anchors_first: 2, // Bitcoin Core keeps 2 anchors; `tune`: 4 are a little slower, 8 a third

            backoff_min: Duration::from_secs(1), // one TCP retransmission
            backoff_max: HOUR, // guess: after an hour asking once more costs nothing
            hosts_max: 1_024,  // as many as there is hearsay

            // `tune`: a quarter of it takes a third more servers; half of it is no faster.
            bootstrap_head_start: Duration::from_secs(1),
            brief_absence: MINUTE * 10, // of those met an hour ago nearly all are still there
            blackout_head_start: Duration::from_secs(5), // `blackout`: by then a tenth is back, and enough
            news_reserve: 8, // as many as we want; `tune`: costs a restart nothing
            source_head_start: Duration::from_millis(500), // a server is connected, or DNS has answered
            consults_max: 4,                               // three may hang
            consult_timeout: Duration::from_secs(10),      // TLS and 256 KiB over a bad mobile line
            consult_every: MINUTE,                         // lists change by the hour
            sources_max: 64,                               // ten times what networks ship
            bootstrap_dials_max: 2, // one may be dead; `tune`: 1 is a third slower at worst, 4 no faster
            breaker_failures: 5,    // as in the usual circuit breakers
            breaker_min: MINUTE,    // an operator restarts a server in about that
            breaker_max: HOUR,      // a server gone for a day is asked 24 times

            relays_max: 2, // one may go at any time; every further one costs somebody a slot
            relay_answer_within: Duration::from_secs(20), // a slow dial, a handshake, a slow answer
            relay_look_every: Duration::from_secs(10), // looks at everybody in memory

            check_every: Duration::from_secs(30), // `tune --swarm`: half and twice do alike
            // Bitcoin Core: two minutes. `tune --swarm`: one minute costs 18 % more bytes, and gains nothing.
            feeler_every: MINUTE * 2,
            discover_every: MINUTE * 2, // as feelers; `tune --swarm`: half and twice do alike
            prune_every: MINUTE * 10,   // guess: nothing urgent ever happens here
            save_every: Duration::from_secs(5), // what a kill may cost
            save_timeout: MINUTE,       // a disk that needs longer will not answer
            sleep_gap: MINUTE,          // the shell never naps longer than 30 s
            seen_every: Duration::from_secs(30), // a score does not change by less
            sleeps_after: Duration::from_secs(75), // five pings; Chrome wakes hidden tabs each minute
            stale_after: MINUTE * 3,               // twelve pings
            browser_stale_after: MINUTE * 5,       // guess: who looks elsewhere for longer is gone
            wake_grace: Duration::from_secs(20),   // libp2p pings every 15 s
            reconnect_jitter: Duration::from_secs(2), // a thousand clients: one every 2 ms
            anchor_grace: MINUTE,                  // links of one outage die within about a minute

            sent_away_for: MINUTE * 10, // by then half of what was held against it is gone
            banned_for: HOUR,           // by then no more than a sixty-fourth of it is left

            outage_after: 24, // with nine in ten dead and half of those refusing: one in 10,000
            unreachable_after: 12, // a first burst
            suspended_max: 256, // eight times what is in the air
            suspended_for: Duration::from_secs(30), // two pings
            probe_min: Duration::from_secs(1), // Wi-Fi reconnects in a few seconds
            probe_max: Duration::from_secs(15), // guess: what a person waits before they complain

            nap_max: Duration::from_secs(30), // half of `sleep_gap`
            connections_high: 96,             // as Kubo; with 80 to 125 KiB each some 10 MiB
            connections_low: 80,              // a sixth less: trimming is seldom, and never a purge
            connections_grace: Duration::from_secs(20), // as Kubo: identify, pings, a place in a mesh
            trim_every: Duration::from_secs(10),        // as go-libp2p
            inbound_per_netgroup: 32, // a third of `connections_high`: alone it never makes us trim
            connections_max: 4_096,   // a busy server; a home node has 50
            commit_max: 10_000,       // about a tenth of a second on SQLite
            local_max: 64,            // addresses of a machine with many interfaces
            heard_max: 100,           // two PEX answers
            timeline_max: 256,        // the dials of one restart, eight times over
            introducers_max: 1_024,   // as many as may be hearsay
            exchange: ExchangeConfig::default(),
        }
    }
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            // Interfaces come one by one, and libp2p numbers records by the second.
            sign_every: Duration::from_secs(2),
            answer_max: 50, // some 20 KiB; more would be a walk through our memory
            share: 0.23,    // Bitcoin Core's `MAX_PCT_ADDR_TO_SEND`
            told_recent: HOUR * 3, // half of those met three hours ago are gone where churn is worst
            ask_pace: Duration::from_secs(2), // a newcomer meets its network within a minute
            ask_every: Duration::from_secs(90), // half as often as we would answer ourselves
            ask_every_max: HOUR, // `tune --swarm`: a sixth costs 4 % more bytes, and gains nothing
            refresh: MINUTE * 10, // hearsay ages by the hour; `tune --swarm`: half to three times do alike
            enough: 256,          // a quarter of the hearsay pool: thirty times what we connect to
            asked_every: MINUTE,  // who asks more often wants to map us
            // Twenty records are 100 bytes a second per neighbour. `tune --swarm`: twice as often
            // costs a quarter more bytes, among 1,000 nodes a third more, for nothing seen.
            gossip_every: MINUTE * 2,
            gossip_first: Duration::from_secs(3), // by then a newcomer has met several
            gossip_max: 20,                       // Kademlia's k
            hops_max: 3, // with six neighbours 200 nodes; the rest learns it by asking
            gossip_heard_max: 4, // one in two minutes, and those of a restart
            rumours_max: 64, // six rounds
        }
    }
}
