//! What went wrong with an address, in the engine's words. A transport's error arrives boxed and
//! nested, its types depend on how the transport was built; so the causes are walked from the
//! outside in, and only where none of them is an I/O error with a kind, the words are read. What a
//! failure means for a peer is the engine's business.

use std::{error::Error, io};

use libp2p::{core::transport::TransportError, swarm::DialError};
use rejoin_core::Failure;

/// Nested errors are a dozen deep at most; one that is its own cause must not hold us.
const CAUSES_MAX: usize = 32;

/// Why one address did not lead to its peer.
pub(crate) fn failure_of(error: &TransportError<io::Error>) -> Failure {
    match error {
        TransportError::MultiaddrNotSupported(_) => Failure::Unsupported,
        TransportError::Other(error) => of_kind(error)
            .or_else(|| of_number(error))
            .unwrap_or_else(|| of_words(error)),
    }
}

/// Why a dial came to nothing, where the program dials by itself: the most telling of its reasons.
pub fn failure_of_dial(error: &DialError) -> Failure {
    match error {
        DialError::Transport(errors) => {
            let failures = errors.iter().map(|(_, error)| failure_of(error));
            // A refusal tells more than silence, and silence more than what we know of ourselves.
            failures.min().unwrap_or(Failure::Other)
        }
        DialError::WrongPeerId { .. } | DialError::LocalPeerId { .. } => Failure::WrongPeer,
        DialError::NoAddresses => Failure::Unsupported,
        DialError::DialPeerConditionFalse(_) | DialError::Aborted | DialError::Denied { .. } => {
            Failure::Other
        }
    }
}

/// Reads the kind of the innermost I/O error that has one.
fn of_kind(error: &io::Error) -> Option<Failure> {
    let mut found = None;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    for _ in 0..CAUSES_MAX {
        let Some(cause) = next else { break };
        let Some(io) = cause.downcast_ref::<io::Error>() else {
            next = cause.source();
            continue;
        };
        found = told_by(io.kind()).or(found);
        // `source` of a boxing I/O error skips what it boxes.
        next = io.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    found
}

fn told_by(kind: io::ErrorKind) -> Option<Failure> {
    use io::ErrorKind as Kind;

    Some(match kind {
        Kind::ConnectionRefused => Failure::Refused,
        Kind::TimedOut => Failure::Silent,
        Kind::NetworkUnreachable
        | Kind::HostUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable => Failure::Unreachable,
        // Somebody was there and hung up, or spoke another language.
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::UnexpectedEof
        | Kind::InvalidData => Failure::Handshake,
        Kind::Unsupported => Failure::Unsupported,
        _ => return None,
    })
}

/// A choice between transports hides the error of the one chosen, but not its words; those of the
/// operating system's errors end in their number, in every language.
fn of_number(error: &io::Error) -> Option<Failure> {
    let words = error.to_string();
    let (_, after) = words.rsplit_once("(os error ")?;
    let (number, _) = after.split_once(')')?;
    told_by(io::Error::from_raw_os_error(number.parse().ok()?).kind())
}

/// The types of time-outs and upgrades are generic over the whole transport and cannot be named
/// here; how they read is pinned by tests against real dials.
fn of_words(error: &io::Error) -> Failure {
    let words = error.to_string().to_lowercase();
    let says = |hints: &[&str]| hints.iter().any(|hint| words.contains(hint));
    if says(&["timed out", "timeout"]) {
        Failure::Silent
    } else if says(&["upgrade error", "handshake", "negotiat", "noise", "tls"]) {
        Failure::Handshake
    } else if says(&["unsupported resolved address"]) {
        Failure::Unsupported
    } else {
        Failure::Other
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod real_dials;

#[cfg(test)]
mod tests {
    use libp2p::core::transport::timeout::TransportTimeoutError;

    use super::*;

    #[test]
    fn a_kind_tells_what_happened() {
        check(io::ErrorKind::ConnectionRefused.into(), Failure::Refused);
        check(io::ErrorKind::TimedOut.into(), Failure::Silent);
        check(io::ErrorKind::HostUnreachable.into(), Failure::Unreachable);
        check(
            io::ErrorKind::NetworkUnreachable.into(),
            Failure::Unreachable,
        );
        check(io::ErrorKind::UnexpectedEof.into(), Failure::Handshake);
        check(io::ErrorKind::PermissionDenied.into(), Failure::Other);
    }

    #[test]
    fn a_kind_is_found_however_deep_it_lies() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let nested = io::Error::other(TransportTimeoutError::Other(io::Error::other(
            TransportTimeoutError::Other(refused),
        )));
        check(nested, Failure::Refused);
    }

    #[test]
    fn a_time_out_without_a_kind_is_silence() {
        let error = io::Error::other(TransportTimeoutError::<io::Error>::Timeout);
        check(error, Failure::Silent);
        check(
            io::Error::other("Handshake with the remote timed out."),
            Failure::Silent,
        );
    }

    #[test]
    fn an_unspeakable_address_is_unsupported() {
        let error = TransportError::MultiaddrNotSupported("/memory/1".parse().unwrap());
        assert_eq!(failure_of(&error), Failure::Unsupported);
    }

    #[track_caller]
    fn check(error: io::Error, expected: Failure) {
        assert_eq!(failure_of(&TransportError::Other(error)), expected);
    }
}
