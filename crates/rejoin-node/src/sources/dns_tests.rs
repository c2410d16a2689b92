//! A real resolver, asking a tiny server of our own on loopback.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use hickory_resolver::{
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    proto::{
        op::{Message, OpCode, ResponseCode},
        rr::{Name, Record, rdata::TXT},
    },
};

use super::*;
use crate::sources::dnsaddr::RECORDS_MAX;

const ALICE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
const BOB: &str = "12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p";
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_name_leads_to_peers_and_to_names_that_lead_to_peers() {
    let dns = Server::start(&[
        (
            "example.org",
            &[
                at("/ip4/8.8.4.4/tcp/1", ALICE),
                "dnsaddr=/dnsaddr/a.example.org".into(),
            ],
        ),
        (
            "a.example.org",
            &[
                at("/ip4/9.9.9.9/tcp/1", BOB),
                "v=spf1 -all".into(),
                "dnsaddr=x".into(),
            ],
        ),
    ]);
    let mut found = dns.ask("Example.ORG", None).await.unwrap();
    found.sort_by_key(ToString::to_string);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let expected = [
        format!("/ip4/8.8.4.4/tcp/1/p2p/{ALICE}"),
        format!("/ip4/9.9.9.9/tcp/1/p2p/{BOB}"),
    ];
    assert_eq!(found, expected);
    let bob = dns.ask("example.org", BOB.parse().ok()).await.unwrap();
    assert_eq!(bob.len(), 1);
    assert!(bob[0].to_string().ends_with(BOB));
}

#[tokio::test]
async fn a_name_that_leads_in_circles_ends() {
    let circle = |to: &str| format!("dnsaddr=/dnsaddr/{to}");
    let dns = Server::start(&[("a", &[circle("b"), circle("a")]), ("b", &[circle("a")])]);
    assert_eq!(dns.ask("a", None).await, Err(Failure::Handshake));
    assert_eq!(dns.asked(), 2);
}

#[tokio::test]
async fn a_name_that_leads_to_ever_more_names_is_not_followed_for_ever() {
    // Each name leads to the next and to many that do not exist.
    let many = |n: usize| -> Vec<String> {
        let dead = (0..8).map(|dead| format!("dnsaddr=/dnsaddr/dead-{n}-{dead}"));
        dead.chain([format!("dnsaddr=/dnsaddr/n{}", n + 1)])
            .collect()
    };
    let zone: Vec<(String, Vec<String>)> = (0..50).map(|n| (format!("n{n}"), many(n))).collect();
    let zone: Vec<_> = zone
        .iter()
        .map(|(name, texts)| (name.as_str(), &texts[..]))
        .collect();
    let dns = Server::start(&zone);
    assert_eq!(dns.ask("n0", None).await, Err(Failure::Handshake));
    assert!(dns.asked() <= LOOKUPS_MAX, "{}", dns.asked());
    let chain: Vec<_> = (0..50)
        .map(|n| vec![format!("dnsaddr=/dnsaddr/n{}", n + 1)])
        .collect();
    let names: Vec<_> = (0..50).map(|n| format!("n{n}")).collect();
    let zone: Vec<_> = names
        .iter()
        .zip(&chain)
        .map(|(name, to)| (name.as_str(), &to[..]))
        .collect();
    let dns = Server::start(&zone);
    assert_eq!(dns.ask("n0", None).await, Err(Failure::Handshake));
    assert_eq!(dns.asked(), DEPTH_MAX);
}

#[test]
fn of_too_many_records_so_many_count() {
    let records = (0..10_000).map(|n| at(&format!("/ip4/8.8.4.4/tcp/{}", n % 60_000), ALICE));
    assert_eq!(addresses_in(records).len(), RECORDS_MAX);
}

#[tokio::test]
async fn a_name_nobody_has_is_its_own_fault_and_silence_nobodys() {
    let dns = Server::start(&[("example.org", &["dnsaddr=/ip4/8.8.4.4/tcp/1".into()])]);
    assert_eq!(
        dns.ask("elsewhere.org", None).await,
        Err(Failure::Handshake)
    );
    assert_eq!(
        dns.ask("example.org", None).await,
        Err(Failure::Handshake),
        "nobody is named"
    );
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = asking(silent.local_addr().unwrap());
    let found = dns.ask("example.org", None, SOON / 4).await;
    assert_eq!(found, Err(Failure::Silent));
}

fn at(address: &str, peer: &str) -> String {
    format!("dnsaddr={address}/p2p/{peer}")
}

fn asking(server: SocketAddr) -> Dns {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let mut server = NameServerConfig::udp(server.ip());
    server.connections = vec![connection];
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let provider = TokioRuntimeProvider::default();
    Dns::with(TokioResolver::builder_with_config(config, provider))
}

/// Knows a few names, and counts how often it is asked.
struct Server {
    dns: Dns,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(zone: &[(&str, &[String])]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let name = |name: &str| Name::from_ascii(format!("_dnsaddr.{name}.")).unwrap();
        let zone: BTreeMap<_, _> = zone
            .iter()
            .map(|(at, texts)| (name(at), texts.to_vec()))
            .collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                let request = Message::from_vec(&bytes[..length]).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answer(&request, &zone).to_vec().unwrap();
                socket.send_to(&answer, from).unwrap();
            }
        });
        let dns = asking(address);
        Self { dns, asked }
    }

    async fn ask(&self, name: &str, peer: Option<PeerId>) -> Result<Vec<Multiaddr>, Failure> {
        self.dns.ask(name, peer, SOON).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(request: &Message, zone: &BTreeMap<Name, Vec<String>>) -> Message {
    let query = request.queries[0].clone();
    let mut answer = Message::response(request.metadata.id, OpCode::Query);
    match zone.get(&query.name().to_lowercase()) {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some(texts) => {
            for text in texts {
                // A record's texts have at most 255 bytes each.
                let (one, other) = text.split_at(text.len() / 2);
                let text = TXT::new(vec![one.into(), other.into()]);
                let record = Record::from_rdata(query.name().clone(), 60, RData::TXT(text));
                answer.add_answer(record);
            }
        }
    }
    answer.add_query(query);
    answer
}
