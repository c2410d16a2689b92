//! The name of a store, as a user writes it. Nothing is opened here.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rejoin_store::{Place, Retry};

fuzz_target!(|url: &str| {
    let behind = |path: &Path, scheme: &str| {
        let text = path.to_str().expect("it was text");
        assert!(!text.is_empty());
        assert_eq!(
            format!("{scheme}:{text}"),
            url,
            "a path is taken as it stands"
        );
    };
    match url.parse::<Place>() {
        Ok(Place::Sqlite(path)) => behind(&path, "sqlite"),
        Ok(Place::Json(path)) => behind(&path, "json"),
        Ok(Place::Memory) => assert_eq!(url, "memory:"),
        Err(error) => {
            assert_eq!(error.retry(), Retry::Never);
            // Ten characters for one is the longest an escape gets.
            assert!(error.to_string().len() < 200 * 10 + 200);
        }
    }
});
