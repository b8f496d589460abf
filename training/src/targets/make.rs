//! Computes the targets of a data set.

use std::sync::atomic::AtomicBool;

use sleeve_files::npy::{Dtype, NpyWriter};

use super::{TargetStore, Teacher};
use crate::batches::Dataset;
use crate::batches::crop::{around, read_frames, stored_crops, stored_start};
use crate::error::{Error, Result};
use crate::network::architecture::BANDS;
use crate::splits::Part;
use crate::threads::spread;

/// Patches that a teacher gets at once.
const BATCH: usize = 32;

/// What was computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Recordings.
    pub recordings: usize,
    /// Patches that teachers have heard; existing files are not made again.
    pub patches: u64,
}

/// Computes what is missing: each teacher's targets for the stored crops of every track in training and validation.
/// `progress` gets the number of finished tracks and of all.
///
/// # Errors
/// `Interrupted` once `stop` is set, after the recordings in progress; if a track has no readable features, a teacher
/// fails, or a file cannot be written.
pub fn make(
    dataset: &Dataset,
    store: &TargetStore,
    teachers: &[Teacher],
    threads: usize,
    stop: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Result<Made> {
    let mut tracks = Vec::new();
    for part in [Part::Train, Part::Validation] {
        tracks.extend(dataset.tracks(part)?.0);
    }
    let mut made = Made { recordings: tracks.len(), patches: 0 };
    let mut done = 0;
    let is_done = spread(
        tracks.len(),
        threads,
        stop,
        |at, _| -> Result<u64> {
            let mut patches = 0;
            for teacher in teachers {
                patches += of_track(dataset, store, teacher, tracks[at])?;
            }
            Ok(patches)
        },
        |_, patches| {
            made.patches += patches?;
            done += 1;
            progress(done, tracks.len());
            Ok(())
        },
    )?;
    match is_done {
        true => Ok(made),
        false => Err(Error::Interrupted("stopped; the same command continues from there".into())),
    }
}

/// Computes and stores the targets of a track, unless they are there; returns the number of patches.
fn of_track(dataset: &Dataset, store: &TargetStore, teacher: &Teacher, track: u32) -> Result<u64> {
    let mut recording = dataset.recording(track)?;
    let frames = recording.frames();
    let crops = stored_crops(frames, store.crops());
    let path = store.path(teacher, dataset.content(track));
    if store.targets(teacher, dataset.content(track), crops).is_ok() {
        return Ok(0);
    }
    let folder = path.parent().expect("inside the folder of targets");
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    sleeve_files::atomic::sweep(&path);
    let mut writer = NpyWriter::create(&path, teacher.width(), Dtype::F16)?;
    let length = teacher.frames();
    let mut patches = vec![0.0; BATCH.min(crops) * length * BANDS];
    for first in (0..crops).step_by(BATCH) {
        let count = BATCH.min(crops - first);
        for (index, patch) in (first..first + count).zip(patches.chunks_exact_mut(length * BANDS)) {
            let start = around(stored_start(frames, index, crops), length, frames);
            read_frames(&mut recording, start, patch)?;
        }
        let targets = teacher.targets(&patches[..count * length * BANDS])?;
        if let Some(value) = targets.iter().find(|value| value.abs() > half::f16::MAX.to_f32()) {
            let reason = format!("teacher {} gives {value}, more than half precision holds", teacher.name());
            return Err(Error::format(&path, reason));
        }
        writer.write_rows(&targets)?;
    }
    writer.finish()?;
    Ok(crops as u64)
}
