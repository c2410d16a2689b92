//! Copies of this program that do the work, and how they tell what they were told.

use std::{
    env,
    fs::File,
    io::{BufRead, BufReader, Read, stdin},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio, exit},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::clock;

/// A line that says: one more commit was acknowledged.
pub const ACKNOWLEDGED: &str = "+";

/// What a line begins with that tells of a commit that was refused.
pub const REFUSED: &str = "-";

/// What a line begins with that tells of a panic.
pub const PANICKED: &str = "!";

/// A running copy. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Closing it asks the copy to end.
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    pub acknowledged: u64,
    pub refused: u64,
    pub panicked: u64,
    /// The last refusal.
    pub why: String,
    /// What else it said.
    pub said: Vec<String>,
}

/// A copy of this program with these words.
pub fn copy(words: &[&str]) -> Command {
    let mut copy = Command::new(env::current_exe().expect("a program knows where it is"));
    copy.args(words);
    copy
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a copy of this program");
        let out = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Ends when the copy does. The last line may be torn by a kill, and then says nothing.
            for line in out.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            acknowledged: 0,
            refused: 0,
            panicked: 0,
            why: String::new(),
            said: Vec::new(),
        }
    }

    /// Takes in what it says, for so long or until `enough`. Says whether it was.
    pub fn listen_until(&mut self, at_most: Duration, enough: impl Fn(&Self) -> bool) -> bool {
        let until = clock::now() + at_most;
        loop {
            while let Ok(line) = self.lines.try_recv() {
                self.take_in(line);
            }
            if enough(self) {
                return true;
            }
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return false;
            }
            match self.lines.recv_timeout(left.min(LOOK_EVERY)) {
                Ok(line) => self.take_in(line),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return enough(self),
            }
        }
    }

    /// Waits for so many commits more.
    pub fn commits(&mut self, more: u64, at_most: Duration) -> bool {
        let wanted = self.acknowledged + more;
        self.listen_until(at_most, |it| it.acknowledged >= wanted)
    }

    fn take_in(&mut self, line: String) {
        if line == ACKNOWLEDGED {
            self.acknowledged += 1;
        } else if let Some(why) = line.strip_prefix(REFUSED) {
            self.refused += 1;
            why.clone_into(&mut self.why);
        } else if line.starts_with(PANICKED) {
            self.panicked += 1;
            eprintln!("{line}");
        } else {
            self.said.push(line);
        }
    }

    /// SIGKILL. All it had said by then has been taken in.
    pub fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        self.ended();
    }

    /// Asks it to end, and waits so long for that.
    pub fn end(&mut self, at_most: Duration) -> Option<ExitStatus> {
        self.input = None;
        self.wait(at_most)
    }

    /// Waits so long for its end.
    pub fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let until = clock::now() + at_most;
        loop {
            self.listen_until(LOOK_EVERY, |_| false);
            if let Ok(Some(status)) = self.child.try_wait() {
                self.ended();
                return Some(status);
            }
            if clock::now() >= until {
                return None;
            }
        }
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn ended(&mut self) {
        let _ = self.child.wait();
        while let Ok(line) = self.lines.recv_timeout(LAST_WORDS_MAX) {
            self.take_in(line);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a copy is told to lock a store and keep it; a scheme and the store's file follow.
pub const HOLD: &str = "hold";

/// Takes the lock for writing, says so, and keeps it until it is told to end or killed.
pub fn hold(words: &[String]) -> ! {
    let [scheme, path] = words else {
        panic!("who holds a lock is given a scheme and a path: {words:?}");
    };
    let held: Box<dyn std::any::Any> = if scheme == "sqlite" {
        let conn = rusqlite::Connection::open(path).expect("the database");
        conn.busy_timeout(LOCKED_WITHIN).expect("a number");
        conn.execute_batch("BEGIN EXCLUSIVE").expect("the lock");
        Box::new(conn)
    } else {
        let file = File::options().write(true).open(format!("{path}.lock"));
        let file = file.expect("the file of the lock");
        file.lock().expect("the lock");
        Box::new(file)
    };
    println!("held");
    let mut ignored = Vec::new();
    let _ = stdin().read_to_end(&mut ignored);
    drop(held);
    exit(0);
}

/// A process that has locked a store and keeps it.
pub fn holder(scheme: &str, path: &str) -> Process {
    let mut holder = Process::start(&mut copy(&[HOLD, scheme, path]));
    let held = holder.listen_until(LOCKED_WITHIN, |it| !it.said.is_empty());
    assert!(held, "nobody could lock the store to begin with");
    holder
}

/// Between two looks at what makes no sound.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The pipe of a process that has ended is read in no time; only a child of its own could hold it open.
const LAST_WORDS_MAX: Duration = Duration::from_secs(10);

/// Others give the lock back after each commit.
const LOCKED_WITHIN: Duration = Duration::from_secs(60);
