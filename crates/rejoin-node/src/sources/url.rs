//! Fetches lists of peers from URLs: a small file, soon, from where we were told, or nothing. What
//! stands in it is read in `list`; when it is fetched, the engine says.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use rejoin::Failure;
use rejoin_libp2p::now;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
    tls::{TlsConfig, TlsProvider},
};

use super::{
    kept::Lists,
    list::{self, Expected, LIST_BYTES_MAX, List, ListError},
};
use crate::folder::Folder;

/// From a short name to the file, and once around a corner.
const REDIRECTS_MAX: u32 = 3;

/// Headers of a static host are a tenth of this.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Whose lists count, and those we have had.
#[derive(Debug)]
pub struct Fetcher {
    agent: Agent,
    signer: Option<PeerId>,
    network: String,
    folder: Folder,
    kept: Mutex<Lists>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the server answers {0}")]
    Status(StatusCode),
    #[error("the server says that nothing has changed, but we have nothing")]
    NothingKept,
    #[error("it is older than the list we had from there")]
    Older,
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Http(#[from] ureq::Error),
}

impl Fetcher {
    /// With a signer given, only what that one signed counts, and plain HTTP will do.
    pub fn new(signer: Option<PeerId>, network: String, folder: Folder) -> Self {
        // QUIC uses the same provider; where a second one is built in, rustls takes none by itself.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(signer.is_none())
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(REDIRECTS_MAX)
            .max_redirects_will_error(true)
            .max_response_header_size(HEADER_BYTES_MAX)
            .max_idle_connections(0) // the next question comes in a minute at the earliest
            .user_agent(concat!("rejoin/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: agent.into(),
            signer,
            network,
            kept: Mutex::new(Lists::load(&folder)),
            folder,
        }
    }

    /// Leaves no peer in the data folder, whose memory is sealed.
    #[must_use]
    pub fn without_traces(self) -> Self {
        let kept = self.kept.into_inner().unwrap_or_default().without_peers();
        if !kept.is_empty() {
            kept.save(&self.folder);
        }
        Self {
            kept: Mutex::new(kept),
            ..self
        }
    }

    /// Fetches the list, or finds it unchanged. Blocks, but no longer than `within`.
    pub fn fetch(&self, url: &str, within: Duration) -> Result<Vec<Multiaddr>, Failure> {
        match self.list(url, within) {
            Ok(list) => Ok(list.addresses),
            Err(error) => {
                let failure = failure_of(&error);
                match failure {
                    Failure::Silent | Failure::Unreachable => {
                        tracing::debug!(%error, "no answer from {url}");
                    }
                    _ => tracing::warn!(%error, "no list from {url}"),
                }
                Err(failure)
            }
        }
    }

    fn list(&self, url: &str, within: Duration) -> Result<List, FetchError> {
        let expected = Expected {
            signer: self.signer,
            network: &self.network,
            now_ms: now().as_millis(),
        };
        let mut request = self
            .agent
            .get(url)
            .config()
            .timeout_global(Some(within))
            .timeout_resolve(Some(within / 2))
            .timeout_connect(Some(within / 2))
            .build();
        if let Some(etag) = self.kept().etag(url, expected) {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let mut response = request.call()?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => {
                let kept = self.kept().list(url, expected);
                return kept.ok_or(FetchError::NothingKept);
            }
            other => return Err(FetchError::Status(other)),
        }
        let etag = etag_of(&response);
        let reader = response.body_mut().with_config().limit(LIST_BYTES_MAX);
        let list = list::read(&reader.read_to_vec()?, expected)?;
        let mut kept = self.kept();
        // Who can replay an old list could lead us to peers long gone, or taken over.
        if list.issued < kept.issued(url) && self.signer.is_some() {
            return Err(FetchError::Older);
        }
        kept.keep(url, etag.as_deref(), &list, expected);
        kept.save(&self.folder);
        Ok(list)
    }

    fn kept(&self) -> MutexGuard<'_, Lists> {
        self.kept
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

fn etag_of(response: &Response<Body>) -> Option<String> {
    let etag = response.headers().get(header::ETAG)?;
    Some(etag.to_str().ok()?.to_owned())
}

/// In the engine's words. A server that took the connection and let us wait has answered.
fn failure_of(error: &FetchError) -> Failure {
    let FetchError::Http(error) = error else {
        return Failure::Handshake;
    };
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => Failure::Silent,
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Failure::Unreachable,
            io::ErrorKind::TimedOut => Failure::Silent,
            _ => Failure::Handshake,
        },
        ureq::Error::ConnectionFailed => Failure::Silent,
        _ => Failure::Handshake,
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
