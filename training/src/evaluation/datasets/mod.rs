//! Data sets with tags or classes, read in the form in which their authors distribute them.
//!
//! Nothing is downloaded: the readers work on a user's copy. [`mtg_jamendo`], [`magnatagatune`] and [`fma`] read the
//! published layouts, [`table`] reads the CSV file of any other collection, and `text` is shared code. Every error has
//! the file, the line and the reason.

pub mod fma;
pub mod magnatagatune;
pub mod mtg_jamendo;
pub mod table;
mod text;

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::splits::Part;

/// How many labels a track may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labelling {
    /// Any number, none included: tags.
    Multi,
    /// Exactly one: a class.
    Single,
}

impl Labelling {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Labelling::Multi => "multi-label",
            Labelling::Single => "single-label",
        }
    }
}

/// A track of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The paths that its file may have in the folder of audio, one for each form in which it is distributed.
    pub paths: Vec<String>,
    /// Its part.
    pub part: Part,
    /// Its classes, ascending.
    pub labels: Vec<u32>,
}

/// A data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name in results.
    pub name: String,
    /// How many labels a track may have.
    pub labelling: Labelling,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The tracks, in the order of the files.
    pub tracks: Vec<Track>,
}

impl Dataset {
    /// The tracks of a part.
    pub fn part(&self, part: Part) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(move |track| track.part == part)
    }

    /// The numbers of training, validation and test tracks.
    pub fn sizes(&self) -> [usize; 3] {
        Part::ALL.map(|part| self.part(part).count())
    }
}

/// The known data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// MTG-Jamendo, one of its four tasks.
    MtgJamendo(mtg_jamendo::Task),
    /// MagnaTagATune.
    MagnaTagATune,
    /// FMA-small.
    FmaSmall,
    /// A user's CSV file.
    Csv,
}

impl Known {
    /// All of them, with their names on the command line and in results.
    pub const ALL: [(&'static str, Known); 7] = [
        ("mtg-jamendo-genre", Known::MtgJamendo(mtg_jamendo::Task::Genre)),
        ("mtg-jamendo-instrument", Known::MtgJamendo(mtg_jamendo::Task::Instrument)),
        ("mtg-jamendo-moodtheme", Known::MtgJamendo(mtg_jamendo::Task::MoodTheme)),
        ("mtg-jamendo-top50", Known::MtgJamendo(mtg_jamendo::Task::Top50Tags)),
        ("magnatagatune", Known::MagnaTagATune),
        ("fma-small", Known::FmaSmall),
        ("csv", Known::Csv),
    ];

    /// Its name; a user's CSV file is named differently.
    pub fn name(self) -> &'static str {
        Known::ALL.iter().find(|(_, known)| *known == self).expect("all are listed").0
    }

    /// Reads it from a file or a folder of metadata.
    ///
    /// # Errors
    /// If a file is missing or damaged; the error has the file, the line and the reason.
    pub fn read(self, metadata: &Path, labelling: Option<Labelling>) -> Result<Dataset> {
        match self {
            Known::MtgJamendo(task) => mtg_jamendo::read(metadata, task),
            Known::MagnaTagATune => magnatagatune::read(metadata),
            Known::FmaSmall => fma::read(metadata),
            Known::Csv => table::read(metadata, labelling),
        }
    }
}

/// A data set under construction, with the position of every track in the files.
struct Builder {
    rows: Vec<Row>,
    /// For each path, its row.
    seen: FxHashMap<String, usize>,
}

struct Row {
    file: PathBuf,
    line: u64,
    track: Track,
    names: Vec<String>,
}

impl Builder {
    fn new() -> Self {
        Builder { rows: Vec::new(), seen: FxHashMap::default() }
    }

    /// Adds a track with the names of its labels, which need not be known yet.
    fn add(
        &mut self,
        file: &Path,
        line: u64,
        paths: Vec<String>,
        part: Part,
        mut names: Vec<String>,
    ) -> Result<()> {
        let path = paths.first().expect("a track has a path").clone();
        text::check_path(file, line, &path)?;
        if let Some(&other) = self.seen.get(&path) {
            let Row { file: before, line: earlier, .. } = &self.rows[other];
            let place = if before == file { String::new() } else { format!(" of {}", before.display()) };
            return Err(text::wrong(file, line, format!("{path:?} is already on line {earlier}{place}")));
        }
        self.seen.insert(path, self.rows.len());
        names.sort_unstable();
        names.dedup();
        let track = Track { paths, part, labels: Vec::new() };
        self.rows.push(Row { file: file.to_owned(), line, track, names });
        Ok(())
    }

    /// The labels of training tracks, sorted.
    fn classes(&self) -> Vec<String> {
        let training = self.rows.iter().filter(|row| row.track.part == Part::Train);
        let mut classes: Vec<String> = training.flat_map(|row| row.names.iter().cloned()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// The data set. Every label must be one of the classes, and no part may be empty.
    fn finish(
        self,
        name: &str,
        metadata: &Path,
        labelling: Labelling,
        classes: Vec<String>,
    ) -> Result<Dataset> {
        let numbers: FxHashMap<&str, u32> =
            classes.iter().enumerate().map(|(number, name)| (name.as_str(), number as u32)).collect();
        let mut tracks = Vec::with_capacity(self.rows.len());
        for Row { file, line, mut track, names } in self.rows {
            for name in &names {
                let Some(&number) = numbers.get(name.as_str()) else {
                    let reason = format!("unknown label {name:?}: no training track has it");
                    return Err(text::wrong(&file, line, reason));
                };
                track.labels.push(number);
            }
            track.labels.sort_unstable();
            if labelling == Labelling::Single && track.labels.len() != 1 {
                let reason = format!("{} labels; each track must have one", track.labels.len());
                return Err(text::wrong(&file, line, reason));
            }
            tracks.push(track);
        }
        let dataset = Dataset { name: name.into(), labelling, classes, tracks };
        for (part, size) in Part::ALL.into_iter().zip(dataset.sizes()) {
            if size == 0 {
                return Err(Error::format(metadata, format!("it has no {} tracks", part.name())));
            }
        }
        match dataset.classes.len() < if labelling == Labelling::Single { 2 } else { 1 } {
            true => Err(Error::format(metadata, "its tracks have too few labels to distinguish them")),
            false => Ok(dataset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_all() {
        for (name, known) in Known::ALL {
            assert_eq!(known.name(), name);
        }
    }
}
