//! Who is still there: every process counts up a key of its own in the store, and looks at everybody else's.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::native::Store;

/// How often a process shows that it is alive.
const BEAT: Duration = Duration::from_secs(1);
/// A process that has not shown itself for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(20);
/// After a sum has failed, the one to blame shows itself by being silent for so long.
const BLAMED: Duration = Duration::from_secs(6);
/// How long the process that holds the store waits for the others to leave.
const LEAVING: Duration = Duration::from_secs(10);
/// What a process's key holds when it has left in good order.
const GONE: &[u8] = b"gone";

/// When each process was last seen to be alive; none for one that left in good order.
type Seen = Mutex<Vec<Option<Instant>>>;

/// What the watching thread knows.
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
    /// Begins to watch. If a process falls silent, this one is ended with a message: it may be waiting for the other
    /// inside a sum that nothing else can end.
    pub fn start(store: Store, rank: usize, count: usize) -> Self {
        let seen = Mutex::new(vec![Some(Instant::now()); count]);
        let known = Arc::new(Known { seen, lost_store: AtomicBool::new(false) });
        let (stop, stopped) = channel();
        let theirs = Arc::clone(&known);
        // A thread of its own: it has to beat while everything else waits.
        let thread = std::thread::spawn(move || watch(&store, rank, count, &theirs, &stopped));
        Watch { rank, known, stop, thread: Some(thread) }
    }

    /// The error of a failed sum: names the process that is silent since.
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

    /// Ends watching; the process that holds the store waits until the others have left.
    pub fn finish(mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const GO_ON: &str = "the same command with --resume goes on after the last whole epoch";

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
            // The run failed: whoever says why also ends the process.
            Err(RecvTimeoutError::Disconnected) => return,
        }
        match outcome {
            Ok(None) => {}
            Ok(Some(silent)) => end(&ended(silent, count)),
            Err(_) => {
                known.lost_store.store(true, Relaxed);
                // Time for a failed sum to be explained in its own words.
                if stopped.recv_timeout(BLAMED * 2) == Err(RecvTimeoutError::Timeout) {
                    end(&lost_store(rank));
                }
                return;
            }
        }
    }
}

/// Shows itself, and looks at the others; returns one that has been silent for too long.
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

/// Ends this process: its other thread may be inside libtorch for good.
fn end(message: &str) -> ! {
    eprintln!("error: {message}");
    std::process::exit(1);
}
