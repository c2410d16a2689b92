//! Which peers to list: one option for each wish.

use std::time::Duration;

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use rejoin::{
    ConnectionKind, Pool, Transport,
    query::{Filter, Sort},
};

use super::PurposeArgs;
use crate::question::{Page, Query};

#[derive(Args, Debug)]
pub struct PeersArgs {
    #[command(flatten)]
    whom: WhomArgs,
    /// In what order; for a purpose it is the best first
    #[arg(long, default_value = "score", value_parser = sorts(), conflicts_with = "purpose")]
    sort: Sort,
    #[command(flatten)]
    what: PurposeArgs,
    /// Those that follow behind this one: the last of the page before
    #[arg(long, value_name = "PEER")]
    after: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// All of them as they come out of the store, a line of JSON each, however many there are
    #[arg(long, conflicts_with_all = ["sort", "purpose", "after", "limit"])]
    pub stream: bool,
}

#[derive(Args, Debug)]
struct WhomArgs {
    /// Only peers whose id, name, address or program contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only peers met, or only heard of
    #[arg(long, value_parser = pools())]
    pool: Option<Pool>,
    /// Only peers last connected in this way
    #[arg(long, value_parser = connections())]
    connection: Option<ConnectionKind>,
    /// Only peers with an address of this transport
    #[arg(long, value_parser = transports())]
    transport: Option<Transport>,
    /// Only peers in this network, such as 203.0.0.0/16
    #[arg(long, value_name = "NETWORK")]
    netgroup: Option<String>,
    /// Only peers named by this source, such as pex, dns or import:chiral
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only peers with this note of the application
    #[arg(long, value_name = "NAME[=VALUE]")]
    tag: Option<String>,
    /// Only peers with at least this score, from 0 to 1
    #[arg(long, value_name = "SCORE")]
    score_min: Option<f64>,
    /// Only peers that showed life within this span, such as 3h
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    seen_within: Option<Duration>,
    /// Only peers known for at least this span, such as 30days
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    known_for: Option<Duration>,
}

impl From<PeersArgs> for Query {
    fn from(args: PeersArgs) -> Self {
        Self {
            filter: args.whom.into(),
            page: Page {
                sort: args.sort,
                purpose: args.what.purpose,
                after: args.after,
                limit: args.limit,
            },
        }
    }
}

impl From<WhomArgs> for Filter {
    fn from(whom: WhomArgs) -> Self {
        Self {
            text: whom.filter,
            pool: whom.pool,
            connection: whom.connection,
            transport: whom.transport,
            netgroup: whom.netgroup,
            source: whom.source,
            tag: whom.tag,
            score_min: whom.score_min,
            seen_within_s: whom.seen_within.map(|span| span.as_secs()),
            known_for_s: whom.known_for.map(|span| span.as_secs()),
        }
    }
}

fn sorts() -> impl TypedValueParser<Value = Sort> {
    words(Sort::ALL.map(|sort| (sort.name(), sort)))
}

fn pools() -> impl TypedValueParser<Value = Pool> {
    words([("proven", Pool::Proven), ("hearsay", Pool::Hearsay)])
}

fn connections() -> impl TypedValueParser<Value = ConnectionKind> {
    words([
        ("direct", ConnectionKind::Direct),
        ("hole-punched", ConnectionKind::HolePunched),
        ("relayed", ConnectionKind::Relayed),
    ])
}

fn transports() -> impl TypedValueParser<Value = Transport> {
    words([
        ("tcp", Transport::Tcp),
        ("quic", Transport::Quic),
        ("websocket", Transport::WebSocket),
        ("webtransport", Transport::WebTransport),
        ("webrtc", Transport::WebRtc),
        ("relay", Transport::Relay),
    ])
}

/// One of a few words, and what it stands for.
fn words<T: Copy + Send + Sync + 'static, const N: usize>(
    words: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.map(|(word, _)| word)).map(move |given| {
        let known = words.into_iter().find(|(word, _)| *word == given);
        known.expect("clap lets no other word in").1
    })
}
