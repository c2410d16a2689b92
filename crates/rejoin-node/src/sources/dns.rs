//! Asks the DNS for `/dnsaddr` names: TXT records of `_dnsaddr.NAME` that say `dnsaddr=` and an
//! address, or another name to ask. Names that lead to names are followed only so far; what one
//! record says is read in `dnsaddr`.

use std::{collections::BTreeSet, time::Duration};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use libp2p::{
    Multiaddr, PeerId,
    futures::{StreamExt, stream::FuturesUnordered},
};
use rejoin::Failure;

use super::dnsaddr::{Leads, addresses_in, leads_to};

/// `bootstrap.libp2p.io` leads to names one level below; three more leave room for a mistake.
const DEPTH_MAX: usize = 4;

/// Names asked for one question; libp2p's own limit is 32, for one address and one after the other.
const LOOKUPS_MAX: usize = 16;

/// Addresses taken from all records together; the engine draws a hundred peers.
const ADDRESSES_MAX: usize = 500;

/// A resolver tries twice, and two tries fit into the time there is for a question.
const TRY_FOR: Duration = Duration::from_secs(3);

/// The system's resolver, if it has one.
#[derive(Clone, Debug)]
pub struct Dns {
    resolver: Option<TokioResolver>,
}

impl Dns {
    /// Asks whom the system asks.
    pub fn of_this_system() -> Self {
        match TokioResolver::builder_tokio() {
            Ok(builder) => Self::with(builder),
            Err(error) => {
                tracing::debug!(%error, "this system names no resolver; /dnsaddr names will fail");
                Self { resolver: None }
            }
        }
    }

    fn with(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Self {
        builder.options_mut().timeout = TRY_FOR;
        let resolver = builder.build();
        if let Err(error) = &resolver {
            tracing::debug!(%error, "the resolver cannot be used; /dnsaddr names will fail");
        }
        Self {
            resolver: resolver.ok(),
        }
    }

    /// The addresses a name leads to, of `peer` alone if one is given. What was found by the time it
    /// takes too long counts.
    pub async fn ask(
        &self,
        name: &str,
        peer: Option<PeerId>,
        within: Duration,
    ) -> Result<Vec<Multiaddr>, Failure> {
        let Some(resolver) = &self.resolver else {
            tracing::warn!("this system has no resolver, so nobody can be asked for {name}");
            return Err(Failure::Unsupported);
        };
        let mut found = Vec::new();
        let walk = walk(resolver, name, peer, &mut found);
        let ended = tokio::time::timeout(within, walk).await;
        if !found.is_empty() {
            return Ok(found);
        }
        Err(match ended {
            Ok(true) => Failure::Handshake, // an answer, but none of use
            Ok(false) | Err(_) => Failure::Silent,
        })
    }
}

/// Asks for a name and, level by level, for those it leads to. Says whether anybody answered.
async fn walk(
    resolver: &TokioResolver,
    name: &str,
    peer: Option<PeerId>,
    found: &mut Vec<Multiaddr>,
) -> bool {
    let mut answered = false;
    let mut asked = BTreeSet::new();
    let mut level = BTreeSet::from([name.to_ascii_lowercase()]);
    for _ in 0..DEPTH_MAX {
        let names: Vec<_> = std::mem::take(&mut level)
            .into_iter()
            .filter(|name| asked.len() < LOOKUPS_MAX && asked.insert(name.clone()))
            .collect();
        let lookups = names.iter().map(|name| records(resolver, name));
        let mut lookups: FuturesUnordered<_> = lookups.collect();
        while let Some(records) = lookups.next().await {
            let Ok(records) = records else { continue };
            answered = true;
            for address in records {
                match leads_to(&address, peer) {
                    Some(Leads::To(name)) => {
                        level.insert(name);
                    }
                    Some(Leads::Home) if found.len() < ADDRESSES_MAX => found.push(address),
                    Some(Leads::Home) | None => {}
                }
            }
        }
    }
    answered
}

/// The addresses in the records of one name.
async fn records(resolver: &TokioResolver, name: &str) -> Result<Vec<Multiaddr>, NetError> {
    // The dot at the end: not relative to whatever domain this machine is in.
    let name = format!("_dnsaddr.{}.", name.trim_end_matches('.'));
    let lookup = match resolver.lookup(name.as_str(), RecordType::TXT).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => {
            tracing::debug!(%error, "no answer for {name}");
            return Err(error);
        }
    };
    let texts = lookup
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::TXT(text) => String::from_utf8(text.txt_data.concat()).ok(),
            _ => None,
        });
    Ok(addresses_in(texts))
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
