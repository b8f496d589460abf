//! Targets on disk.
//!
//! `TARGETS/<SHA-256 of the model>/ab/cd/abcd....npy`, named by the SHA-256 of the recording as features are:
//! `[crops, tags + embeddings]` in half precision. `targets.json` says how many crops a recording has at most. Files are
//! atomic, so an existing one is whole.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sleeve_files::npy::NpyReader;

use super::Teacher;
use crate::atomic;
use crate::error::{Error, Result};
use crate::features::Content;
use crate::network::architecture::FRAMES;

/// The file that describes a folder of targets.
const DESCRIPTION: &str = "targets.json";

/// A folder of targets.
#[derive(Clone, Debug)]
pub struct TargetStore {
    folder: PathBuf,
    description: Described,
}

/// What all targets of a folder have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    /// Crops of a recording, at most.
    crops: usize,
    /// Frames of a crop.
    frames: usize,
}

impl TargetStore {
    /// Opens a folder that `sleeve-train targets` has written.
    ///
    /// # Errors
    /// If it is none, or its crops have another length.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let reason = format!("no targets: {DESCRIPTION} is missing; run `sleeve-train targets`");
                return Err(Error::format(folder, reason));
            }
            other => other.map_err(|error| Error::io(&path, error))?,
        };
        let description: Described =
            serde_json::from_str(&text).map_err(|error| Error::format(&path, error))?;
        if description.frames != FRAMES || description.crops == 0 {
            let Described { crops, frames } = description;
            return Err(Error::format(
                &path,
                format!("{crops} crops of {frames} frames; crops have {FRAMES}"),
            ));
        }
        Ok(TargetStore { folder: folder.to_owned(), description })
    }

    /// Opens a folder, or creates it for `crops` crops of a recording.
    ///
    /// # Errors
    /// If it exists with another number of crops, or cannot be written.
    pub fn create(folder: &Path, crops: usize) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        if !path.exists() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
            let description = Described { crops, frames: FRAMES };
            let text = serde_json::to_string(&description).expect("two numbers");
            atomic::write(&path, (text + "\n").as_bytes())?;
        }
        let store = Self::open(folder)?;
        if store.crops() != crops {
            let reason = format!(
                "it has {} crops of each recording, not {crops}; choose another folder",
                store.crops()
            );
            return Err(Error::format(folder, reason));
        }
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Crops of a recording, at most.
    pub fn crops(&self) -> usize {
        self.description.crops
    }

    /// The path of a recording's targets.
    pub fn path(&self, teacher: &Teacher, recording: Content) -> PathBuf {
        let name = recording.to_string();
        let folder = self.folder.join(teacher.identity().to_string()).join(&name[..2]).join(&name[2..4]);
        folder.join(format!("{name}.npy"))
    }

    /// Opens the targets of a recording with `crops` stored crops.
    ///
    /// # Errors
    /// If the file is missing or damaged, or has other sizes.
    pub fn targets(&self, teacher: &Teacher, recording: Content, crops: usize) -> Result<NpyReader> {
        let path = self.path(teacher, recording);
        let reader = match path.exists() {
            true => NpyReader::open(&path)?,
            false => {
                let reason =
                    format!("no targets of teacher {}; run `sleeve-train targets` again", teacher.name());
                return Err(Error::format(&path, reason));
            }
        };
        if (reader.rows(), reader.cols()) != (crops, teacher.width()) {
            let reason = format!(
                "[{}, {}] for {crops} crops and {} values of teacher {}; remove it and run `sleeve-train targets` again",
                reader.rows(),
                reader.cols(),
                teacher.width(),
                teacher.name()
            );
            return Err(Error::format(&path, reason));
        }
        Ok(reader)
    }
}
