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
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .map_err(DemoError::network)?
        .with_behaviour(|_| dummy::Behaviour)
        .map_err(DemoError::network)?
        .build();
    let mut took = Vec::with_capacity(times);
    for address in to.iter().cycle().take(times) {
        took.push(bare_dial(&mut swarm, address.clone()).await?);
    }
    Ok(took)
}

async fn bare_dial(
    swarm: &mut Swarm<dummy::Behaviour>,
    to: Multiaddr,
) -> Result<Duration, DemoError> {
    let watch = Stopwatch::start();
    swarm.dial(to).map_err(DemoError::network)?;
    let mut took = None;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                took = Some(watch.elapsed());
                let _ = swarm.disconnect_peer_id(peer_id); // it may have closed already
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                return Err(DemoError::network(error));
            }
            // The next dial begins when nothing of this one is left.
            SwarmEvent::ConnectionClosed { .. } => {
                if let Some(took) = took {
                    return Ok(took);
                }
            }
            _ => {}
        }
    }
}
