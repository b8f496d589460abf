//! Detects processes that have ended: every process counts up its own key in the store, and watches those of the
//! others.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::native::Store;

/// The interval at which a process updates its key.
const BEAT: Duration = Duration::from_secs(1);
/// A process whose key has not changed for this long counts as ended.
const SILENCE: Duration = Duration::from_secs(20);
/// After a failed sum, a process that is silent for this long is the cause.
const BLAMED: Duration = Duration::from_secs(6);
/// How long the process that runs the store waits for the others to leave.
const LEAVING: Duration = Duration::from_secs(10);
/// The value of a process's key when it has left normally.
const GONE: &[u8] = b"gone";

/// When each process was last seen; `None` for one that has left normally.
type Seen = Mutex<Vec<Option<Instant>>>;

/// The state of the watching thread.
struct Known {
    seen: Seen,
    lost_store: AtomicBool,
}

pub struct Watch {
    rank: usize,
    known: Arc<Known>,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts watching. If a process is silent, this process is ended with a message, because it may be waiting for the
    /// other in a sum that cannot be interrupted.
    pub fn start(store: Store, rank: usize, count: usize) -> Self {
        let seen = Mutex::new(vec![Some(Instant::now()); count]);
        let known = Arc::new(Known { seen, lost_store: AtomicBool::new(false) });
        let (stop, stopped) = channel();
        let theirs = Arc::clone(&known);
        // In its own thread, because it must update the key while everything else waits.
        let thread = std::thread::spawn(move || watch(&store, rank, count, &theirs, &stopped));
        Watch { rank, known, stop, thread: Some(thread) }
    }

    /// The error of a failed sum; it names the process that has been silent since.
    pub fn blame(&self, reason: &str) -> Error {
        let since = Instant::now();
        while since.elapsed() < BLAMED {
            std::thread::sleep(BEAT / 4);
            if self.known.lost_store.load(Relaxed) {
                return Error::Process(lost_store(self.rank));
            }
        }
        let seen = self.known.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let silent = seen.iter().position(|last| last.is_some_and(|last| last.elapsed() > BLAMED / 2));
        match silent {
            Some(silent) => Error::Process(ended(silent, seen.len())),
            None => {
                let count = seen.len();
                Error::Process(format!("a sum over {count} processes failed: {reason}; {GO_ON}"))
            }
        }
    }

    /// Ends watching; the process that runs the store waits until the others have left.
    pub fn finish(mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const GO_ON: &str = "the same command with --resume continues after the last complete epoch";

fn ended(silent: usize, count: usize) -> String {
    format!("process {silent} of {count} has ended or cannot be reached; {GO_ON}")
}

fn lost_store(rank: usize) -> String {
    format!(
        "process {rank} has lost the store: process 0 or the launcher has ended or cannot be reached; {GO_ON}"
    )
}

fn key(rank: usize) -> String {
    format!("alive/{rank}")
}

fn watch(store: &Store, rank: usize, count: usize, known: &Known, stopped: &Receiver<()>) {
    let mut values: Vec<Vec<u8>> = vec![Vec::new(); count];
    for beat in 0u64.. {
        let outcome = look(store, rank, beat, &known.seen, &mut values);
        match stopped.recv_timeout(BEAT) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) => return leave(store, rank, count),
            // The run has failed; the code that reports it also ends the process.
            Err(RecvTimeoutError::Disconnected) => return,
        }
        match outcome {
            Ok(None) => {}
            Ok(Some(silent)) => end(&ended(silent, count)),
            Err(_) => {
                known.lost_store.store(true, Relaxed);
                // Wait, so that a failed sum can report its own message.
                if stopped.recv_timeout(BLAMED * 2) == Err(RecvTimeoutError::Timeout) {
                    end(&lost_store(rank));
                }
                return;
            }
        }
    }
}

/// Updates this process's key and checks the others; returns one that has been silent for too long.
fn look(
    store: &Store,
    rank: usize,
    beat: u64,
    seen: &Seen,
    values: &mut [Vec<u8>],
) -> Result<Option<usize>, String> {
    store.set(&key(rank), &beat.to_le_bytes())?;
    let mut silent = None;
    for (other, last) in values.iter_mut().enumerate().filter(|(other, _)| *other != rank) {
        let now = match store.has(&key(other))? {
            true => store.get(&key(other))?,
            false => Vec::new(),
        };
        let mut seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if now == GONE {
            seen[other] = None;
        } else if now != *last {
            seen[other] = Some(Instant::now());
            *last = now;
        } else if seen[other].is_some_and(|last| last.elapsed() > SILENCE) {
            silent = Some(other);
        }
    }
    let mut seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    seen[rank] = Some(Instant::now());
    Ok(silent)
}

fn leave(store: &Store, rank: usize, count: usize) {
    if store.set(&key(rank), GONE).is_err() || rank != 0 {
        return;
    }
    let since = Instant::now();
    let gone = |other: usize| match store.has(&key(other)) {
        Ok(true) => store.get(&key(other)).map_or(true, |value| value == GONE),
        Ok(false) => false,
        Err(_) => true,
    };
    while !(1..count).all(gone) && since.elapsed() < LEAVING {
        std::thread::sleep(BEAT / 20);
    }
}

/// Ends this process; its other thread may never return from libtorch.
fn end(message: &str) -> ! {
    eprintln!("error: {message}");
    std::process::exit(1);
}
