//! The log of a run: a line of JSON for every entry, and TensorBoard's event files.
//!
//! A run's folder has `log.jsonl` and `tensorboard/events.out.tfevents...`. An entry is a set of named values, such as
//! `train/artist/accuracy`, at a step of an epoch:
//!
//! ```json
//! {"time":1700000000.5,"epoch":1,"step":120,"batches":720,"train/artist/loss":4.9,"train/artist/pairs":144000}
//! ```
//!
//! Names are `part/what/measure` for objectives, where the part is `train` or `validation`; others, such as
//! `learning_rate`, are free. NaN and infinities, which JSON numbers do not have, are the strings `NaN`, `Infinity` and
//! `-Infinity`.
//!
//! There are no files for Weights & Biases: its offline format is the client's own and changes with it. The client takes
//! TensorBoard's instead: `wandb sync --sync-tensorboard RUN/tensorboard`.

mod entry;
mod events;

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub use entry::Entry;
pub use events::EventWriter;

use crate::error::{Error, Result};

/// The name of the log in a run's folder.
pub const LOG: &str = "log.jsonl";
/// How the names of the averaged weights' figures begin.
const AVERAGE: &str = "average/";
/// The name of the folder of event files in a run's folder.
pub const EVENTS: &str = "tensorboard";

/// Writes the log and the events of a run.
pub struct RunLog {
    path: PathBuf,
    log: File,
    events: EventWriter,
}

impl RunLog {
    /// Continues the logs in a run's folder, which is created if it does not exist. Entries of epochs after `last` are
    /// removed, because these epochs are run again; so are the figures of averaged weights, which are computed at every
    /// end of a run, and an incomplete line of a killed run. `last` is 0 for a new run; `step` is the next step.
    ///
    /// # Errors
    /// If the folder cannot be written, or its log is invalid.
    pub fn open(run: &Path, last: u64, step: u64) -> Result<Self> {
        std::fs::create_dir_all(run).map_err(|error| Error::io(run, error))?;
        let path = run.join(LOG);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => keep(&path, &bytes, last)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(Error::io(&path, error)),
        };
        let open = || -> std::io::Result<File> {
            let mut log = OpenOptions::new().create(true).write(true).truncate(false).open(&path)?;
            log.set_len(kept)?;
            log.seek(SeekFrom::Start(kept))?;
            Ok(log)
        };
        let log = open().map_err(|error| Error::io(&path, error))?;
        let mut events = EventWriter::create(&run.join(EVENTS))?;
        events.start(step)?;
        Ok(RunLog { path, log, events })
    }

    /// Appends an entry to both. It is in the files when this returns.
    ///
    /// # Errors
    /// If they cannot be written, or the log is not in its place any more.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        let mut line = entry.to_json();
        line.push('\n');
        let written = self.log.write_all(line.as_bytes()).and_then(|()| self.log.stream_position());
        let written = written.map_err(|error| Error::io(&self.path, error))?;
        // A folder that was taken away takes the open log along, and the other files would appear in a new one.
        if !std::fs::metadata(&self.path).is_ok_and(|there| there.len() == written) {
            return Err(Error::format(&self.path, "removed or replaced while the run was writing to it"));
        }
        self.events.write(entry)
    }
}

/// The number of bytes of a log that are complete entries of epochs up to `last`.
fn keep(path: &Path, bytes: &[u8], last: u64) -> Result<u64> {
    let mut kept = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        let entry = Entry::from_json(line)
            .map_err(|reason| Error::format(path, format!("line {}: {reason}", number + 1)))?;
        if entry.epoch > last || entry.values.keys().any(|name| name.starts_with(AVERAGE)) {
            break;
        }
        kept += line.len() as u64;
    }
    Ok(kept)
}

/// The entries of a run's log, without an incomplete last line.
///
/// # Errors
/// If there is no log, or one of its lines is not an entry.
pub fn read(run: &Path) -> Result<Vec<Entry>> {
    let path = run.join(LOG);
    let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
    let whole = bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let entry = |(number, line): (usize, &[u8])| {
        Entry::from_json(line)
            .map_err(|reason| Error::format(&path, format!("line {}: {reason}", number + 1)))
    };
    whole.enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(epoch: u64, loss: f64) -> Entry {
        Entry::new(epoch, epoch * 10).with("train/artist/loss", loss)
    }

    #[test]
    fn a_run_that_goes_on_forgets_what_it_does_again() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let mut log = RunLog::open(&run, 0, 0).unwrap();
        let all: Vec<Entry> = (1..=4).map(|epoch| entry(epoch, epoch as f64)).collect();
        all.iter().for_each(|entry| log.write(entry).unwrap());
        drop(log);
        assert_eq!(read(&run).unwrap(), all);
        // Killed in the middle of a line.
        let path = run.join(LOG);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 7]).unwrap();
        assert_eq!(read(&run).unwrap(), all[..3]);
        let mut log = RunLog::open(&run, 2, 20).unwrap();
        let again = entry(3, 0.5);
        log.write(&again).unwrap();
        assert_eq!(read(&run).unwrap(), [all[0].clone(), all[1].clone(), again]);
        // The average of a run that has ended is computed once more.
        log.write(&Entry::new(3, 30).with("average/artist/loss", 0.25)).unwrap();
        drop(RunLog::open(&run, 3, 30).unwrap());
        let epochs: Vec<u64> = read(&run).unwrap().iter().map(|entry| entry.epoch).collect();
        assert_eq!(epochs, [1, 2, 3]);
        // A new run in the same folder starts with an empty log.
        drop(RunLog::open(&run, 0, 0).unwrap());
        assert!(read(&run).unwrap().is_empty());
        assert_eq!(std::fs::read_dir(run.join(EVENTS)).unwrap().count(), 4);
    }

    #[test]
    fn a_log_that_was_taken_away_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let mut log = RunLog::open(&run, 0, 0).unwrap();
        log.write(&entry(1, 1.0)).unwrap();
        std::fs::rename(&run, folder.path().join("away")).unwrap();
        let reason = log.write(&entry(2, 1.0)).unwrap_err().to_string();
        assert!(reason.contains(LOG) && reason.contains("removed or replaced"), "{reason}");
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join(LOG), "another").unwrap();
        assert!(log.write(&entry(3, 1.0)).is_err());
    }

    #[test]
    fn logs_that_are_none_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains(LOG));
        for (text, reason) in [
            ("{\"time\":1.0,\"epoch\":1,\"step\":2}\nhello\n", "line 2"),
            ("{\"time\":1.0,\"epoch\":1}\n", "step"),
            ("{\"time\":1.0,\"epoch\":1,\"step\":2,\"x\":[]}\n", "x"),
            ("{\"time\":1.0,\"epoch\":-1,\"step\":2}\n", "epoch"),
            ("[]\n", "line 1"),
        ] {
            std::fs::write(folder.path().join(LOG), text).unwrap();
            let said = read(folder.path()).unwrap_err().to_string();
            assert!(said.contains(LOG) && said.contains(reason), "{said}");
            assert!(RunLog::open(folder.path(), 9, 9).is_err());
        }
    }
}
