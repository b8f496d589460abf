//! Waits until something in the library's folders has changed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sleeve_files::names::shown;

use crate::inputs::InputArgs;

/// How long it must have been quiet: files are copied and tagged in several steps.
const QUIET: Duration = Duration::from_secs(2);
/// After this time, an update is due although changes go on.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often Ctrl-C is looked for.
const TICK: Duration = Duration::from_millis(200);

pub struct Watch {
    events: Receiver<notify::Result<Event>>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins to follow the folders that were given.
    pub fn new(inputs: &InputArgs) -> Result<Self> {
        let (sender, events) = channel();
        let mut watcher = notify::recommended_watcher(sender).context("cannot watch folders")?;
        let folders: Vec<&Path> =
            inputs.paths.iter().map(|path| path.as_path()).filter(|path| path.is_dir()).collect();
        if folders.is_empty() {
            bail!("--watch follows folders; none was given");
        }
        for folder in folders {
            watcher
                .watch(folder, RecursiveMode::Recursive)
                .with_context(|| format!("cannot watch {}", shown(folder)))?;
        }
        Ok(Watch { events, _watcher: watcher })
    }

    /// Waits for a change, and then until it is quiet; false if it is to stop.
    pub fn wait(&self, stop: &Arc<AtomicBool>) -> Result<bool> {
        let (mut first, mut last) = (None, Instant::now());
        while !stop.load(Ordering::Acquire) {
            match self.events.recv_timeout(TICK) {
                // Reading a file is no change.
                Ok(Ok(event)) if matches!(event.kind, EventKind::Access(_)) => {}
                // After an error events may be missing, so the folders are searched.
                Ok(_) => {
                    last = Instant::now();
                    first.get_or_insert(last);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the folders can no longer be watched"),
            }
            if first.is_some_and(|first| last.elapsed() >= QUIET || first.elapsed() >= PATIENCE) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
