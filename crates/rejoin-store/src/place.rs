//! The names of places, as the user writes them. Nothing is opened here.

use std::{path::PathBuf, str::FromStr};

use crate::StoreError;

/// Where a memory lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `sqlite:PATH`, a database many processes may share.
    Sqlite(PathBuf),
    /// `json:PATH`, one file a person can read.
    Json(PathBuf),
    /// `memory:`, gone with the process.
    Memory,
}

impl FromStr for Place {
    type Err = StoreError;

    /// Everything behind the first colon is the path as it stands, so a drive letter, spaces and
    /// `%` need no quoting.
    fn from_str(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("json", path)) if !path.is_empty() => Ok(Self::Json(path.into())),
            Some(("memory", "")) => Ok(Self::Memory),
            _ => Err(StoreError::Url {
                given: url.chars().take(200).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_stands() {
        check(
            "sqlite:/var/a b/peers.db",
            Place::Sqlite("/var/a b/peers.db".into()),
        );
        check(r"sqlite:C:\peers.db", Place::Sqlite(r"C:\peers.db".into()));
        check("json:D:/x%20y.json", Place::Json("D:/x%20y.json".into()));
        check("json:peers", Place::Json("peers".into()));
        check("memory:", Place::Memory);
    }

    #[test]
    fn other_forms_are_refused_with_the_valid_ones() {
        for bad in [
            "",
            "peers.db",
            r"C:\peers.db",
            "sqlite:",
            "json:",
            "memory:x",
            "redis:h",
        ] {
            let error = bad.parse::<Place>().unwrap_err().to_string();
            for form in ["sqlite:PATH", "json:PATH", "memory:"] {
                assert!(error.contains(form), "{bad}: {error}");
            }
        }
    }

    #[track_caller]
    fn check(url: &str, place: Place) {
        assert_eq!(url.parse::<Place>().unwrap(), place);
    }
}
