//! Which peer is meant by an abbreviated name. All peer ids begin alike, so the end counts as much
//! as the beginning.

use rejoin::PeerKey;

use crate::refusal::Refusal;

/// Candidates listed when an abbreviation fits several.
const CANDIDATES_MAX: usize = 10;

/// The one peer whose name is `given`, or begins or ends with it. A leading or trailing `…`, as our
/// tables print it, is no part of the name.
pub fn find<'a>(given: &str, known: impl Iterator<Item = &'a PeerKey>) -> Result<PeerKey, Refusal> {
    let part = given.trim().trim_matches('…').trim_matches('.');
    let mut found = Vec::new();
    for key in known {
        let name = key.to_string();
        if name == part {
            return Ok(key.clone());
        }
        if !part.is_empty() && (name.starts_with(part) || name.ends_with(part)) {
            found.push(key);
        }
    }
    found.sort_unstable();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Refusal::NoSuchPeer {
            given: given.into(),
        }),
        several => Err(Refusal::SeveralPeers {
            given: given.into(),
            candidates: several
                .iter()
                .take(CANDIDATES_MAX)
                .map(ToString::to_string)
                .collect(),
        }),
    }
}

/// A peer's name short enough for a line: its end, by which it can be found again.
pub fn short(name: &str) -> String {
    let count = name.chars().count();
    if count <= SHORT + 2 {
        return name.into();
    }
    let end: String = name.chars().skip(count - SHORT).collect();
    format!("…{end}")
}

/// Characters of a shortened name: among 10,000 peers two share the last eight by a chance of one
/// in two million.
const SHORT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_or_an_end_that_fits_one_peer_is_enough() {
        check("alpha", Ok("alpha"));
        check("alp", Ok("alpha"));
        check("ma", Ok("gamma"));
        check("…mma", Ok("gamma"));
    }

    #[test]
    fn a_full_name_wins_over_longer_ones_that_begin_with_it() {
        check("beta", Ok("beta"));
        check("betamax", Ok("betamax"));
    }

    #[test]
    fn what_fits_nobody_or_several_is_refused() {
        check("delta", Err(0));
        check("", Err(0));
        check("…", Err(0));
        check("a", Err(3));
    }

    #[test]
    fn a_shortened_name_finds_its_peer() {
        let name = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        assert_eq!(short(name), "…4kx6nXTN");
        let keys: Vec<PeerKey> = vec![name.parse().unwrap()];
        assert_eq!(find(&short(name), keys.iter()).unwrap().to_string(), name);
        assert_eq!(short("1.2.3.4:1"), "1.2.3.4:1");
    }

    /// `Err` says how many candidates are named.
    #[track_caller]
    fn check(given: &str, expected: Result<&str, usize>) {
        let keys: Vec<PeerKey> = ["alpha", "beta", "betamax", "gamma"]
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let found = find(given, keys.iter())
            .map(|key| key.to_string())
            .map_err(|refusal| match refusal {
                Refusal::SeveralPeers { candidates, .. } => candidates.len(),
                _ => 0,
            });
        assert_eq!(found, expected.map(String::from), "{given}");
    }
}
