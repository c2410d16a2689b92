//! Whom the node talks to: answers pings, on a thread of its own.

use std::{sync::mpsc, thread};

use libp2p::{
    Multiaddr, SwarmBuilder, futures::StreamExt, noise, ping, swarm::SwarmEvent, tcp, yamux,
};

use super::node::NEVER;

/// Starts it; it runs as long as this program. Returns its address.
pub fn start() -> Multiaddr {
    let (sender, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let mut swarm = SwarmBuilder::with_new_identity()
                .with_tokio()
                .with_tcp(
                    tcp::Config::default(),
                    noise::Config::new,
                    yamux::Config::default,
                )
                .expect("a transport")
                .with_behaviour(|_| ping::Behaviour::default())
                .expect("a behaviour")
                .with_swarm_config(|config| config.with_idle_connection_timeout(NEVER))
                .build();
            let anywhere = "/ip4/127.0.0.1/tcp/0".parse().expect("an address");
            swarm.listen_on(anywhere).expect("a free port");
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                    let me = *swarm.local_peer_id();
                    let _ = sender.send(address.with_p2p(me).expect("an address without a name"));
                }
            }
        });
    });
    address.recv().expect("it listens")
}
