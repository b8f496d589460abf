//! The journal of a run: finished inputs, a line each, appended once their outputs are on the disk.
//!
//! A thread collects the inputs of about a second, waits until the disk has all of their outputs, and only then appends
//! their lines. So neither a kill nor a power cut leaves a line about a file that is not whole, and thousands of small
//! files wait for the disk together. The file is locked: one process writes it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use sleeve_files::names::shown;
use sleeve_files::{lock, sync};

use super::entry::Entry;
use super::index::Settings;

/// The time between two groups, and the shorter one before the first: it doubles from group to group.
const PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A line that says which process has opened the journal.
#[derive(Serialize, Deserialize)]
struct Opened {
    process: u32,
}

/// The journal, while a run goes on.
pub struct Journal {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<File>>>,
}

/// What the run and the journal's thread share.
#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified when there will be nothing more, and not before: the thread looks once a second.
    closed: Condvar,
}

#[derive(Default)]
struct Waiting {
    finished: Vec<Finished>,
    closed: bool,
    /// Whether the thread has failed.
    broken: bool,
}

/// An input whose outputs have their names.
struct Finished {
    line: String,
    files: Vec<PathBuf>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that could be half done when a thread panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal's file, locked.
pub struct Locked {
    path: PathBuf,
    file: File,
}

impl Locked {
    /// Opens the journal of an output directory for this process alone.
    pub fn open(path: &Path) -> Result<Self> {
        match lock::open(path)? {
            Some(file) => Ok(Locked { path: path.to_owned(), file }),
            None => Err(refused(path)),
        }
    }

    /// Gives the journal up without having written to it.
    pub fn abandon(self) {
        // While it is locked. An earlier run's journal stays.
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// The entries of an interrupted run with the same settings, and the journal, which goes on behind them. A line that
    /// is not whole is cut off with all after it.
    pub fn start(mut self, settings: &Settings) -> Result<(Vec<Entry>, Journal)> {
        let cannot = || format!("cannot write {}", shown(&self.path));
        let mut text = Vec::new();
        self.file.read_to_end(&mut text).with_context(cannot)?;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n');
        let mut kept = 0;
        let mut entries = Vec::new();
        let first = lines.next().filter(|line| line.ends_with(b"\n"));
        let same = |line: &[u8]| serde_json::from_slice::<Settings>(line).is_ok_and(|read| read == *settings);
        if let Some(first) = first.filter(|line| same(line)) {
            kept = first.len();
            for line in lines.take_while(|line| line.ends_with(b"\n")) {
                match serde_json::from_slice(line) {
                    Ok(entry) => entries.push(entry),
                    Err(_) if serde_json::from_slice::<Opened>(line).is_ok() => {}
                    Err(_) => break,
                }
                kept += line.len();
            }
        }
        self.file.set_len(kept as u64).with_context(cannot)?;
        self.file.seek(SeekFrom::Start(kept as u64)).with_context(cannot)?;
        let mut start = String::new();
        if kept == 0 {
            start += &(serde_json::to_string(settings)? + "\n");
        }
        start += &(serde_json::to_string(&Opened { process: std::process::id() })? + "\n");
        self.file.write_all(start.as_bytes()).with_context(cannot)?;
        let Locked { path, file } = self;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let journal = path.clone();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || {
            let kept = keep(&journal, file, &theirs);
            theirs.lock().broken = kept.is_err();
            kept
        });
        let thread = Some(thread.context("cannot start a thread")?);
        Ok((entries, Journal { path, shared, thread }))
    }
}

/// The error that another process writes to the directory of this journal.
pub fn refused(journal: &Path) -> anyhow::Error {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let process = text.lines().rev().find_map(|line| serde_json::from_str::<Opened>(line).ok());
    let process = process.map(|Opened { process }| format!(" (process {process})")).unwrap_or_default();
    let directory = journal.parent().unwrap_or(Path::new("."));
    anyhow!("{} is being written by another run{process}", shown(directory))
}

impl Journal {
    /// Records a finished input, whose outputs have their names.
    pub fn add(&mut self, entry: &Entry, files: Vec<PathBuf>) -> Result<()> {
        let line = serde_json::to_string(entry)? + "\n";
        let mut waiting = self.shared.lock();
        waiting.finished.push(Finished { line, files });
        if waiting.broken {
            drop(waiting);
            self.close()?;
            bail!("{}: cannot be written", shown(&self.path));
        }
        Ok(())
    }

    /// Waits until everything is recorded. Returns the file, which is still locked.
    pub fn close(&mut self) -> Result<File> {
        self.shared.lock().closed = true;
        self.shared.closed.notify_all();
        let thread = self.thread.take().context("the journal is closed")?;
        thread.join().map_err(|_| anyhow!("the journal's thread panicked"))?
    }
}

impl Drop for Journal {
    /// A run that fails elsewhere keeps what it has finished.
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.close();
        }
    }
}

/// Appends what is finished to the journal, in groups.
fn keep(path: &Path, mut file: File, shared: &Shared) -> Result<File> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut pause = FIRST_PAUSE;
    loop {
        let waiting = shared.lock();
        let waited = shared.closed.wait_timeout_while(waiting, pause, |waiting| !waiting.closed);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (group, closed) = (std::mem::take(&mut waiting.finished), waiting.closed);
        drop(waiting);
        if !group.is_empty() {
            sync::files(directory, group.iter().flat_map(|one| &one.files).map(PathBuf::as_path))?;
            let lines: String = group.into_iter().map(|one| one.line).collect();
            // After a kill, at most the last line is not whole.
            file.write_all(lines.as_bytes()).with_context(|| format!("cannot write {}", shown(path)))?;
            pause = (pause * 2).min(PAUSE);
        }
        if closed {
            return Ok(file);
        }
    }
}
