//! What one connection costs on this machine when nothing stands in its way: the measure for
//! everything else.

use std::time::Duration;

use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    futures::StreamExt,
    noise,
    swarm::{SwarmEvent, dummy},
    tcp, yamux,
};

use super::{error::DemoError, stopwatch::Stopwatch};

/// How long so many bare dials take, one after the other: TCP, noise and yamux until libp2p calls
/// the connection established, from a node that does nothing else to nodes that are alive.
pub async fn bare_dials(to: &[Multiaddr], times: usize) -> Result<Vec<Duration>, DemoError> {
    let mut swarm = bare_swarm()?;
    let mut took = Vec::with_capacity(times);
    for address in to.iter().cycle().take(times) {
        let burst = burst(&mut swarm, std::slice::from_ref(address)).await?;
        took.push(burst);
    }
    Ok(took)
}

/// How long it takes, again and again, until so many bare dials begun at once are all connections:
/// what a node could do at best that knew exactly whom to dial.
pub async fn bare_bursts(
    to: &[Multiaddr],
    at_once: usize,
    times: usize,
) -> Result<Vec<Duration>, DemoError> {
    let mut swarm = bare_swarm()?;
    let mut took = Vec::with_capacity(times);
    for turn in 0..times {
        let mut others = to.to_vec();
        others.rotate_left(turn % to.len().max(1));
        others.truncate(at_once);
        took.push(burst(&mut swarm, &others).await?);
    }
    Ok(took)
}

fn bare_swarm() -> Result<Swarm<dummy::Behaviour>, DemoError> {
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .map_err(DemoError::network)?
        .with_behaviour(|_| dummy::Behaviour)
        .map_err(DemoError::network)?
        // Nothing is said over these connections; only we close them.
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_MAX))
        .build();
    Ok(swarm)
}

/// Longer than any burst takes.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Dials everybody at once. Returns how long it took until all were connected; then hangs up, so
/// that the next measurement begins when nothing of this one is left.
async fn burst(
    swarm: &mut Swarm<dummy::Behaviour>,
    to: &[Multiaddr],
) -> Result<Duration, DemoError> {
    let watch = Stopwatch::start();
    for address in to {
        swarm.dial(address.clone()).map_err(DemoError::network)?;
    }
    let mut connected = Vec::with_capacity(to.len());
    while connected.len() < to.len() {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => connected.push(peer_id),
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                return Err(DemoError::network(error));
            }
            _ => {}
        }
    }
    let took = watch.elapsed();
    for peer in connected {
        let _ = swarm.disconnect_peer_id(peer); // it may have closed already
    }
    while swarm.connected_peers().next().is_some() {
        swarm.select_next_some().await;
    }
    Ok(took)
}
