//! The key to a sealed memory, from where the user says: asked for, read from a file descriptor, or a
//! file. Never from the command line or the environment, where other programs see it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
    path::{Path, PathBuf},
};

use rejoin_store::{Mode, SealKey, Sealing};
use zeroize::Zeroizing;

use crate::{failure::Failure, print};

/// How the memory is to be sealed.
#[derive(Clone, Debug, Default)]
pub struct SealWish {
    /// What of it; `None` as it is, and its secrets if it is not sealed at all.
    pub mode: Option<Mode>,
    /// With what. `None` for a memory that is not sealed, or not to be opened.
    pub key: Option<KeySource>,
}

/// Where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The user is asked.
    Prompt,
    /// The first line of this file descriptor.
    Descriptor(u32),
    /// This file.
    File(PathBuf),
}

/// A passphrase may be a sentence, and not a book.
const PASSPHRASE_BYTES_MAX: u64 = 1_024;

impl SealWish {
    /// What the store is opened with; `None` if it is opened as it lies there. May ask the user.
    ///
    /// # Errors
    /// If the key cannot be had.
    pub fn settle(&self, store: &str) -> Result<Option<Sealing>, Failure> {
        let Some(source) = &self.key else {
            return Ok(None);
        };
        let found = rejoin_store::mode(store)?;
        let key = match found {
            Mode::Off => source.new_key()?,
            Mode::Secrets | Mode::All => source.key("passphrase: ")?,
        };
        let as_it_is = match found {
            Mode::Off => Mode::Secrets,
            sealed => sealed,
        };
        let mode = self.mode.unwrap_or(as_it_is);
        Ok(Some(Sealing { mode, key }))
    }
}

impl KeySource {
    /// A key that was given before.
    ///
    /// # Errors
    /// If it cannot be had.
    pub fn key(&self, prompt: &str) -> Result<SealKey, Failure> {
        Ok(match self {
            Self::Prompt => SealKey::passphrase(ask(prompt)?.as_str()),
            Self::Descriptor(number) => SealKey::passphrase(read_line(*number)?.as_str()),
            Self::File(path) => SealKey::file(path),
        })
    }

    /// A key to be used from now on: asked for twice, or drawn if its file is not there yet.
    ///
    /// # Errors
    /// If it cannot be had.
    pub fn new_key(&self) -> Result<SealKey, Failure> {
        match self {
            Self::Prompt => {
                let first = ask("new passphrase: ")?;
                if *first != *ask("once more: ")? {
                    return Err(Failure::NoKey("the two are not the same".into()));
                }
                Ok(SealKey::passphrase(first.as_str()))
            }
            Self::File(path) if !path.exists() => {
                SealKey::create_file(path)?;
                print::aside(&format!(
                    "{} is a new key; keep a copy elsewhere, for without it nobody can read this memory",
                    path.display()
                ));
                Ok(SealKey::file(path))
            }
            source => source.key(""),
        }
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        let why = "there is no terminal to ask at; give it with --passphrase-fd or --key-file";
        return Err(Failure::NoKey(why.into()));
    }
    let answer = unseen::ask(prompt).map_err(|error| Failure::NoKey(error.to_string()))?;
    Ok(Zeroizing::new(answer))
}

/// A question whose answer is not shown, whenever it is typed: the library hides it from the moment it has
/// asked, and fast fingers, or a program, may be faster.
mod unseen {
    use std::io;

    #[cfg(unix)]
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    pub fn ask(prompt: &str) -> io::Result<String> {
        #[cfg(unix)]
        let _unseen = Unseen::from_now_on()?;
        rpassword::prompt_password(prompt)
    }

    /// As long as it lasts the terminal shows nothing of what is typed. What it did before.
    #[cfg(unix)]
    struct Unseen(Termios);

    #[cfg(unix)]
    impl Unseen {
        fn from_now_on() -> io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            let mut unseen = before.clone();
            unseen.local_modes.remove(LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Now, &unseen)?;
            Ok(Self(before))
        }
    }

    #[cfg(unix)]
    impl Drop for Unseen {
        fn drop(&mut self) {
            // A terminal that is gone needs no more care.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }
}

fn read_line(descriptor: u32) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| {
        Failure::NoKey(format!("cannot read file descriptor {descriptor}: {error}"))
    };
    match descriptor {
        0 => first_line(io::stdin().lock()),
        _ => {
            let path = Path::new("/dev/fd").join(descriptor.to_string());
            first_line(BufReader::new(File::open(path).map_err(failed)?))
        }
    }
    .map_err(failed)
}

fn first_line(source: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    source.take(PASSPHRASE_BYTES_MAX + 1).read_line(&mut line)?;
    if line.len() as u64 > PASSPHRASE_BYTES_MAX {
        let why = format!("a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes");
        return Err(io::Error::other(why));
    }
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_the_first_line_as_it_stands() {
        check("swordfish\n", Some("swordfish"));
        check("swordfish\r\nmore", Some("swordfish"));
        check(" sword fish ", Some(" sword fish "));
        check("", Some(""));
        check(&"x".repeat(1_024), Some(&"x".repeat(1_024)));
        check(&"x".repeat(1_025), None);
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let line = first_line(text.as_bytes()).ok();
        assert_eq!(line.as_ref().map(|line| line.as_str()), expected);
    }
}
