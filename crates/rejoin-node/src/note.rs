//! The note by which the command line finds a running node: `node.json` in the data folder, for the
//! owner's eyes only. A node that was killed leaves it behind; whoever reads it has to make sure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{failure::Failure, folder::Folder};

/// The file's name.
const FILE: &str = "node.json";

/// Where a running node is asked, and with which right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its process.
    pub pid: u32,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// What changing calls must show.
    pub token: Token,
    /// Which start of the node this is.
    pub instance: String,
}

/// Who shows it may change things. It shows itself to nobody who does not ask for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token(String);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn draw() -> Result<Self, Failure> {
        random_hex::<32>().map(Self)
    }

    /// What is to be shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Note {
    /// Puts the note there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Folder) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        folder.write_private(FILE, &json)
    }

    /// The note that is there, if it can be read.
    ///
    /// # Errors
    /// If it is there and belongs to somebody else.
    pub fn read(folder: &Folder) -> Result<Option<Self>, Failure> {
        let bytes = folder.read(FILE)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Takes the note away.
    pub fn remove(folder: &Folder) {
        folder.remove(FILE);
    }
}

/// As many random bytes, in hexadecimal digits.
///
/// # Errors
/// If the system has no randomness to give.
pub fn random_hex<const BYTES: usize>() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::system("draw random numbers")(std::io::Error::other(error)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_found_until_it_is_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().into());
        assert_eq!(Note::read(&folder).unwrap(), None);
        let note = Note {
            pid: 1,
            port: 2,
            token: Token::draw().unwrap(),
            instance: random_hex::<8>().unwrap(),
        };
        assert_eq!(note.token.reveal().len(), 64);
        assert!(!format!("{note:?}").contains(note.token.reveal()));
        note.write(&folder).unwrap();
        assert_eq!(Note::read(&folder).unwrap(), Some(note));
        Note::remove(&folder);
        assert_eq!(Note::read(&folder).unwrap(), None);
    }

    #[test]
    fn a_note_nobody_can_read_is_no_note() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().into());
        std::fs::write(folder.file(FILE), b"{\"pid\":").unwrap();
        assert_eq!(Note::read(&folder).unwrap(), None);
    }
}
