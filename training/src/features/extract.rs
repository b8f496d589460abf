//! Computes the mel-spectrograms of recordings and writes them to disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use arrow_array::Array;
use sleeve::front_end::musicnn::{BANDS, SAMPLE_RATE, frame_count};
use sleeve_files::npy::{Dtype, NpyWriter};

use super::merge::{self, Line};
use super::store::{Content, Store};
use crate::error::{Error, Result};
use crate::hear::each_frames;
use crate::scan::{COLLECTION, Stamp, audio_sha256};
use crate::table::TableReader;
use crate::threads::spread;

/// Size of a file's header in bytes.
const HEADER: u64 = 128;
/// The assumed duration of a recording of unknown length, in seconds.
const USUAL: f32 = 240.0;

/// One recording of the collection.
#[derive(Clone, Debug)]
struct Row {
    path: String,
    content: Content,
    stamp: Stamp,
    duration: Option<f32>,
}

/// The work to do, before it is started.
pub struct Work {
    music: PathBuf,
    /// Its name in the table.
    folder: String,
    store: Store,
    shard: Option<(usize, usize)>,
    rows: Vec<Row>,
    /// Frames of existing files.
    present: Vec<Option<u64>>,
}

/// The amount of work, and the disk space that it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Recordings of the collection, or of this shard.
    pub recordings: usize,
    /// Recordings whose features exist already.
    pub present: usize,
    /// Seconds of audio to decode.
    pub seconds: f64,
    /// Bytes of files to read.
    pub source_bytes: u64,
    /// Bytes to write.
    pub bytes: u64,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Recordings with features.
    pub recordings: usize,
    /// Recordings whose features existed before.
    pub present: usize,
    /// Frames over all of them.
    pub frames: u64,
    /// Recordings that could not be read, with the reasons.
    pub unreadable: Vec<(String, String)>,
    /// Recordings that have features although something is wrong with them, with what it is.
    pub damaged: Vec<(String, String)>,
    /// The table that was written.
    pub table: PathBuf,
}

impl Work {
    /// Lists the recordings of `collection` (a table with their paths in `music`, hashes and durations:
    /// collection.parquet, matched.parquet or split.parquet), for a shard `(i, n)` every `n`-th starting with the
    /// `i`-th, and checks which features exist in `out`.
    ///
    /// # Errors
    /// If the table cannot be read, or `music` is not a folder.
    pub fn list(music: &Path, collection: &Path, out: &Path, shard: Option<(usize, usize)>) -> Result<Self> {
        std::fs::read_dir(music).map_err(|error| Error::io(music, error))?;
        // Now, for at the end the folder may be gone, and its rows would stand under another name for good.
        let folder = music.canonicalize().map_err(|error| Error::io(music, error))?.display().to_string();
        let mut rows = Vec::new();
        let columns = ["path", "size", "modified_ns", "sha256", "duration_s"];
        for batch in TableReader::open(collection, &COLLECTION, &columns)? {
            let batch = batch?;
            let durations = batch.floats("duration_s");
            for row in 0..batch.len() {
                let text = batch.texts("sha256").value(row);
                let content = Content::from_hex(text)
                    .ok_or_else(|| Error::format(collection, format!("{text:?} is not a SHA-256")))?;
                let duration = durations.is_valid(row).then(|| durations.value(row));
                let path = batch.texts("path").value(row).to_owned();
                rows.push(Row { path, content, stamp: Stamp::at(&batch, row), duration });
            }
        }
        if let Some((index, count)) = shard {
            if !(1..=count).contains(&index) {
                return Err(Error::InvalidArgument(format!("shard {index} of {count} does not exist")));
            }
            rows = rows.into_iter().skip(index - 1).step_by(count).collect();
        }
        let store = Store::new(out);
        // A damaged file is made again.
        let frames = |row: &Row| store.open(row.content).ok().map(|recording| recording.frames());
        let present = rows.iter().map(frames).collect();
        Ok(Work { music: music.to_owned(), folder, store, shard, rows, present })
    }

    /// The amount of work.
    pub fn estimate(&self) -> Estimate {
        let mut estimate = Estimate { recordings: self.rows.len(), ..Estimate::default() };
        for (row, present) in self.rows.iter().zip(&self.present) {
            match present {
                Some(_) => estimate.present += 1,
                None => {
                    let seconds = seconds_of(row);
                    estimate.seconds += seconds;
                    estimate.source_bytes += row.stamp.size.max(0) as u64;
                    let frames = frame_count((seconds * f64::from(SAMPLE_RATE)) as u64);
                    estimate.bytes += HEADER + frames * (BANDS * Dtype::F16.size()) as u64;
                }
            }
        }
        estimate
    }

    /// Makes the missing features on `threads` threads and writes the table. `progress` is called after each recording.
    /// Rows of other collections and other recordings stay in the table.
    ///
    /// # Errors
    /// If features cannot be written. An unreadable recording is not an error.
    pub fn run(self, threads: usize, progress: impl FnMut(Done)) -> Result<Report> {
        self.run_until(threads, &AtomicBool::new(false), progress)
    }

    /// As [`run`](Self::run), until `stop` is set: then recordings in progress are finished, and no others are started.
    ///
    /// # Errors
    /// As [`run`](Self::run), and `Interrupted` if it was stopped before everything was done; the table is written only
    /// when everything is.
    pub fn run_until(
        self,
        threads: usize,
        stop: &AtomicBool,
        mut progress: impl FnMut(Done),
    ) -> Result<Report> {
        let todo: Vec<usize> = (0..self.rows.len()).filter(|&at| self.present[at].is_none()).collect();
        let mut outcomes: Vec<Result<Made, String>> = self
            .present
            .iter()
            .map(|present| present.map(|frames| Made { frames, warning: None }).ok_or_else(String::new))
            .collect();
        let mut done = 0;
        // Unlike a reason, an error is not about a recording: the disk is full, for example.
        let is_done = spread(
            todo.len(),
            threads,
            stop,
            |item, _| self.make(&self.rows[todo[item]]),
            |item, outcome| {
                outcomes[todo[item]] = outcome?;
                done += 1;
                let row = &self.rows[todo[item]];
                progress(Done { seconds: seconds_of(row), bytes: row.stamp.size.max(0) as u64 });
                Ok(())
            },
        )?;
        if !is_done {
            let (ready, all) = (self.rows.len() - todo.len() + done, self.rows.len());
            return Err(Error::Interrupted(format!(
                "stopped with {ready} of {all} recordings done; the same command continues from there"
            )));
        }
        self.write_table(&outcomes)
    }

    /// Makes the features of one recording, or returns why it cannot be read.
    fn make(&self, row: &Row) -> Result<Result<Made, String>> {
        let path = self.music.join(&row.path);
        // As in `scan`, a file with the same size and time is unchanged. One that was copied, touched or tagged anew is
        // hashed again.
        let unchanged = match std::fs::metadata(&path) {
            Ok(metadata) => row.stamp.modified_ns != 0 && Stamp::of(&metadata) == row.stamp,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if !unchanged {
            match audio_sha256(&path) {
                Ok(hash) if hash == row.content.to_string() => {}
                Ok(_) => return Ok(Err("it has changed since it was scanned".into())),
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        let file = self.store.path(row.content);
        let folder = file.parent().expect("inside the folder of features");
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        sleeve_files::atomic::sweep(&file);
        write_features(&path, &file)
    }

    fn write_table(self, outcomes: &[Result<Made, String>]) -> Result<Report> {
        let table = self.store.table(self.shard);
        let mut report = Report { table: table.clone(), ..Report::default() };
        let mut listed = merge::read(&table)?;
        for ((row, outcome), present) in self.rows.iter().zip(outcomes).zip(&self.present) {
            let place = (self.folder.clone(), row.path.clone());
            let line = match outcome {
                Ok(made) => {
                    report.recordings += 1;
                    report.present += usize::from(present.is_some());
                    report.frames += made.frames;
                    // What was wrong with a recording that was done before is in the table.
                    let before =
                        || listed.get(&place).filter(|line| line.content == row.content)?.warning.clone();
                    let warning = made.warning.clone().or_else(before);
                    Line {
                        content: row.content,
                        frames: i32::try_from(made.frames).ok(),
                        reason: None,
                        warning,
                    }
                }
                Err(reason) => {
                    report.unreadable.push((row.path.clone(), reason.clone()));
                    Line { content: row.content, frames: None, reason: Some(reason.clone()), warning: None }
                }
            };
            report.damaged.extend(line.warning.clone().map(|warning| (row.path.clone(), warning)));
            listed.insert(place, line);
        }
        merge::write(&table, &listed)?;
        Ok(report)
    }
}

fn seconds_of(row: &Row) -> f64 {
    let known = row.duration.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    f64::from(known.unwrap_or(USUAL))
}

/// A recording that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// Its duration in seconds.
    pub seconds: f64,
    /// The size of its file.
    pub bytes: u64,
}

/// Features that have been made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Mel frames.
    pub frames: u64,
    /// What is wrong with the recording, if anything: that it ends early, for example.
    pub warning: Option<String>,
}

/// Decodes `audio` and writes its mel-spectrogram to `file`: the same frames as `extract` computes, rounded to half
/// precision, in constant memory. Returns what was made, or why the recording cannot be read.
///
/// # Errors
/// If `file` cannot be written.
pub fn write_features(audio: &Path, file: &Path) -> Result<Result<Made, String>> {
    // The list of reasons already has the file's name.
    let reason = |error: sleeve::Error| {
        let said = error.to_string();
        said.strip_prefix(&format!("{}: ", audio.display())).unwrap_or(&said).to_owned()
    };
    let mut writer = NpyWriter::create(file, BANDS, Dtype::F16)?;
    let summary = match each_frames(audio, |_, frames| writer.write_rows(frames))? {
        Ok(summary) => summary,
        Err(error) => return Ok(Err(reason(error))),
    };
    match writer.rows() {
        0 => Ok(Err("it contains no audio".into())),
        _ => {
            let warning = Some(summary.warnings.join("; ")).filter(|warning| !warning.is_empty());
            Ok(Ok(Made { frames: writer.finish()?, warning }))
        }
    }
}
