//! System calls that fail: builds `shim.c`, puts it beneath a process, and turns it on and off.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// What can be made to fail. The numbers are those of `shim.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u64);

impl Kinds {
    pub const SHORT_WRITE: Self = Self(1 << 0);
    pub const WRITE: Self = Self(1 << 1);
    pub const NO_SPACE: Self = Self(1 << 2);
    pub const FLUSH: Self = Self(1 << 3);
    pub const NAME: Self = Self(1 << 4);
    pub const READ: Self = Self(1 << 5);
    pub const OPEN: Self = Self(1 << 6);
    pub const LOOK: Self = Self(1 << 7);
    pub const READ_ONLY: Self = Self(1 << 8);
    /// Everything at once.
    pub const ALL: Self = Self((1 << 9) - 1);
}

/// The shim, compiled.
#[derive(Debug)]
pub struct Shim {
    folder: TempDir,
    library: PathBuf,
}

/// What stands beneath one process.
#[derive(Debug)]
pub struct Beneath {
    control: File,
    path: PathBuf,
}

impl Shim {
    /// Compiles it; or says why there is none.
    pub fn build() -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("system calls are made to fail on Linux only".into());
        }
        let folder = tempfile::tempdir().expect("a folder to work in");
        let source = folder.path().join("shim.c");
        let library = folder.path().join("shim.so");
        fs::write(&source, include_str!("shim.c")).expect("room");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-w"])
            .args(["-U_FORTIFY_SOURCE", "-o"]) // or the headers would bring functions of their own
            .args([&library, &source])
            .arg("-ldl")
            .output();
        match compiled {
            Ok(output) if output.status.success() => Ok(Self { folder, library }),
            Ok(output) => Err(format!(
                "the C compiler does not take the shim: {}",
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => Err(format!("there is no C compiler here: {error}")),
        }
    }

    /// Puts it beneath a process that has not been started, for the files in this folder.
    pub fn beneath(&self, command: &mut Command, files: &Path, seed: u64) -> Beneath {
        let path = self.folder.path().join("control");
        let control = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .expect("room");
        control.set_len(8 * FIELDS).expect("room");
        let beneath = Beneath { control, path };
        beneath.put(SEED, seed);
        command
            .env("LD_PRELOAD", &self.library)
            .env("TORTURE_CONTROL", &beneath.path)
            .env("TORTURE_FOLDER", files);
        beneath
    }
}

impl Beneath {
    /// From now on so many of a thousand calls of these kinds fail.
    pub fn on(&self, kinds: Kinds, per_mille: u64) {
        self.put(PER_MILLE, per_mille);
        self.put(KINDS, kinds.0);
    }

    /// From now on nothing fails.
    pub fn off(&self) {
        self.put(KINDS, 0);
    }

    /// How many calls were made to fail so far.
    pub fn injected(&self) -> u64 {
        let mut bytes = [0; 8];
        let read = self.control.read_exact_at(&mut bytes, 8 * INJECTED);
        read.expect("our own file");
        u64::from_ne_bytes(bytes)
    }

    fn put(&self, field: u64, value: u64) {
        let put = self.control.write_all_at(&value.to_ne_bytes(), 8 * field);
        put.expect("our own file");
    }
}

impl Drop for Beneath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // goes with its folder in any case
    }
}

// The control file, as `shim.c` maps it: eight bytes each, in the order of the machine.
const KINDS: u64 = 0;
const PER_MILLE: u64 = 1;
const SEED: u64 = 2;
const INJECTED: u64 = 4;
const FIELDS: u64 = 5;
