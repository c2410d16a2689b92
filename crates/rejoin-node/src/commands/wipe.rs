//! `rejoin wipe`: removes everything remembered, for good.

use std::io::{self, IsTerminal};

use serde_json::json;

use crate::{
    failure::Failure,
    identity,
    print::{self, BAD, count},
    settings::{Place, WipeArgs},
    sources,
};

/// Removes it, if that is meant.
///
/// # Errors
/// If a node runs here, nobody says that it is meant, or a file cannot be removed.
pub fn run(place: &Place, args: &WipeArgs, json: bool) -> Result<(), Failure> {
    // A node that runs would write back what it knows.
    let _claim = place.folder.claim()?;
    if !args.yes && !is_meant(place, args)? {
        return Err(Failure::NotMeant);
    }
    let mut removed = rejoin_store::wipe(&place.store)?;
    let lists = args.identity.then_some(identity::FILE);
    for name in [sources::LISTS].into_iter().chain(lists) {
        let path = place.folder.file(name);
        if path.exists() {
            place.folder.remove(name);
            removed.push(path);
        }
    }
    if json {
        let removed: Vec<_> = removed
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return print::json(&json!({ "removed": removed }));
    }
    print::result(&match removed.len() {
        0 => "nothing was remembered here".into(),
        files => format!("everything remembered is gone: {}", count(files, "file")),
    })
}

fn is_meant(place: &Place, args: &WipeArgs) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let more = if args.identity {
        ", and who this node is"
    } else {
        ""
    };
    print::aside(&format!(
        "{BAD}This removes all peers in {}{more}.{BAD:#} Type yes to go on:",
        place.store
    ));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(Failure::system("read your answer"))?;
    Ok(answer.trim() == "yes")
}
