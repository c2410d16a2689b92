//! What is asked for on the command line.

pub const USAGE: &str = "\
usage: torture [--json] [--quick] [--kills N] [--faults N] [--writers N] [--seed N]

  --json       one JSON object on standard output, and nothing else
  --quick      a short form of everything
  --kills N    how many writers are killed, on each kind of store (1000)
  --faults N   how many faults are made beneath a running node (10000)
  --writers N  how many write at the same time while they are killed (3)
  --seed N     by which lot moments and places are drawn (1)
";

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    pub json: bool,
    pub quick: bool,
    pub kills: u64,
    pub faults: u64,
    pub writers: u64,
    pub seed: u64,
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let quick = words.iter().any(|word| word == "--quick");
        let mut options = Self {
            json: false,
            quick,
            kills: if quick { 20 } else { 1_000 },
            faults: if quick { 300 } else { 10_000 },
            writers: 3,
            seed: 1,
        };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let mut number = || {
                let value = words.next().and_then(|value| value.parse().ok());
                value.ok_or(format!("{flag} takes a number"))
            };
            match flag.as_str() {
                "--json" => options.json = true,
                "--quick" => {}
                "--kills" => options.kills = number()?,
                "--faults" => options.faults = number()?,
                "--writers" => options.writers = number()?.max(1),
                "--seed" => options.seed = number()?,
                other => return Err(format!("{other:?} is none of the flags")),
            }
        }
        Ok(options)
    }

    /// A number for the full form and one for the short form.
    pub fn full_or_quick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
