//! Real dials that fail: what the transports of a usual swarm say, and how it is understood.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId, SwarmBuilder,
    futures::StreamExt,
    noise,
    swarm::{DialError, SwarmEvent, dial_opts::DialOpts, dummy},
    tcp, yamux,
};
use rejoin_core::Failure;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::failure_of;

/// Far longer than a dial on loopback takes.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_closed_port_refuses() {
    let (address, listener) = listener().await;
    drop(listener);
    check(&address, LONG, Failure::Refused).await;
}

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_is_silent() {
    let (address, _listener) = listener().await;
    check(&address, Duration::from_millis(50), Failure::Silent).await;
}

#[tokio::test]
async fn a_host_that_hangs_up_has_failed_the_handshake() {
    let (address, listener) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    check(&address, LONG, Failure::Handshake).await;
}

#[tokio::test]
async fn a_host_that_speaks_another_language_has_failed_the_handshake() {
    let (address, listener) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    check(&address, LONG, Failure::Handshake).await;
}

#[tokio::test]
async fn an_address_of_another_transport_is_unsupported() {
    check("/memory/1", LONG, Failure::Unsupported).await;
    check("/ip4/127.0.0.1/udp/1/quic-v1", LONG, Failure::Unsupported).await;
}

async fn listener() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (format!("/ip4/127.0.0.1/tcp/{port}"), listener)
}

async fn check(address: &str, time_out: Duration, expected: Failure) {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| dummy::Behaviour)
        .unwrap()
        .with_swarm_config(|config| config)
        .with_connection_timeout(time_out)
        .build();
    let address: Multiaddr = address.parse().unwrap();
    let opts = DialOpts::peer_id(PeerId::random())
        .addresses(vec![address])
        .build();
    swarm.dial(opts).unwrap();
    loop {
        let event = swarm.select_next_some().await;
        if let SwarmEvent::OutgoingConnectionError { error, .. } = event {
            let DialError::Transport(errors) = &error else {
                panic!("{error}");
            };
            assert_eq!(failure_of(&errors[0].1), expected, "{error:?}");
            return;
        }
    }
}
