//! What happened, as lines for people (`alice ==> peer-0007: connected`) and as one running hash for
//! the comparison of two runs.

use std::{collections::VecDeque, fmt};

use rejoin_core::Time;

/// The events of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    lines: VecDeque<String>,
    written: u64,
    hash: u64,
}

/// Lines kept; older ones live on in the hash alone. A restart has a few hundred.
const LINES_MAX: usize = 20_000;

impl Default for Trace {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            written: 0,
            hash: 0xcbf2_9ce4_8422_2325, // the offset of FNV-1a
        }
    }
}

impl Trace {
    /// Writes one line, stamped with the true time.
    pub(crate) fn line(&mut self, now: Time, what: impl fmt::Display) {
        let line = format!("{now}  {what}");
        for byte in line.bytes().chain(*b"\n") {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.written += 1;
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The last lines, oldest first, at most 20,000.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// How many lines were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// FNV-1a over all lines ever written.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last `count` lines as one text, for a failing test.
    pub fn tail(&self, count: usize) -> String {
        let skipped = self.lines.len().saturating_sub(count);
        let lines: Vec<_> = self.lines().skip(skipped).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lines_go_and_the_hash_remembers_them() {
        let write = |first: &str| {
            let mut trace = Trace::default();
            trace.line(Time::from_millis(1), first);
            for _ in 0..LINES_MAX {
                trace.line(Time::from_millis(2), "alice ==> bob: connected");
            }
            trace
        };
        let (one, other) = (write("one"), write("other"));
        assert!(one.lines().eq(other.lines()));
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.written(), LINES_MAX as u64 + 1);
        assert_eq!(one.tail(1), "2 ms  alice ==> bob: connected");
    }
}
