//! The node a command is about: the one that runs on the data folder, or its memory if none runs.

use rejoin_libp2p::now;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    client::Client, failure::Failure, note::Note, offline::Offline, print, question::Question,
    settings::Place,
};

/// Has a question answered by whoever can.
///
/// # Errors
/// If it is refused, or nobody answers.
pub fn ask(place: &Place, question: &Question) -> Result<Value, Failure> {
    if let Some(client) = running(place)? {
        return client.ask(question);
    }
    let offline = match question {
        Question::Import(_) => Offline::open_or_create(place, now())?,
        _ => Offline::open_aloud(place, now())?,
    };
    let answer = offline.ask(question)?;
    Ok(serde_json::to_value(answer).unwrap_or_default())
}

/// The node that runs here; `None` if none does, and a word if one was killed.
///
/// # Errors
/// If one runs and has no time, or its note cannot be read.
pub fn running(place: &Place) -> Result<Option<Client>, Failure> {
    let Some(note) = Note::read(&place.folder)? else {
        return Ok(None);
    };
    let client = Client::reach(note)?;
    if client.is_none() {
        print::aside("the last node here was killed; this is what it remembered");
    }
    Ok(client)
}

/// Shows an answer: as JSON just as it came, otherwise in `words`.
///
/// # Errors
/// If it cannot be understood or printed.
pub fn show<T: DeserializeOwned>(
    answer: Value,
    json: bool,
    words: impl FnOnce(T) -> String,
) -> Result<(), Failure> {
    if json {
        return print::json(&answer);
    }
    let answer = serde_json::from_value(answer)
        .map_err(|error| Failure::NoAnswer(format!("it speaks another version: {error}")))?;
    print::result(&words(answer))
}
