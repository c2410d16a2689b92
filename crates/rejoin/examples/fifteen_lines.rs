//! A node that finds its network again: `cargo run -p rejoin --example fifteen_lines [ADDRESS]…`

use libp2p::{Multiaddr, SwarmBuilder, futures::StreamExt, noise, tcp, yamux};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|key| Ok(rejoin::open("sqlite:peers.db", key)?))?
        .build();
    swarm.listen_on("/ip4/0.0.0.0/tcp/0".parse::<Multiaddr>()?)?;
    for address in std::env::args().skip(1) {
        swarm.behaviour_mut().add_bootstrap(address.parse()?)?;
    }
    loop {
        tokio::select! {
            event = swarm.select_next_some() => println!("{event:?}"),
            _ = tokio::signal::ctrl_c() => return Ok(()), // dropping the swarm saves the rest
        }
    }
}
