//! Data sets with tags or classes, read in the form in which their authors distribute them.
//!
//! Nothing is downloaded: the readers work on a user's copy. [`mtg_jamendo`], [`magnatagatune`], [`fma`], [`gtzan`],
//! [`openmic`] and [`emotion`] read the published layouts, [`table`] reads the CSV file of any other collection, and `text`
//! is shared code. [`published`] has the sizes that the paper and the authors state. Every error has the file, the line
//! and the reason.

pub mod emotion;
pub mod fma;
pub mod gtzan;
pub mod magnatagatune;
pub mod mtg_jamendo;
pub mod openmic;
pub mod published;
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
    /// None: a number for each target, such as arousal and valence.
    Regression,
}

impl Labelling {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Labelling::Multi => "multi-label",
            Labelling::Single => "single-label",
            Labelling::Regression => "regression",
        }
    }
}

/// A track of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The paths that its file may have in the folder of audio, one for each form in which it is distributed.
    pub paths: Vec<String>,
    /// Its part; with folds, that of the first.
    pub part: Part,
    /// Its classes, ascending.
    pub labels: Vec<u32>,
    /// The classes of which it is not known whether it belongs to them, ascending.
    pub unknown: Vec<u32>,
    /// The numbers of the targets, for regression.
    pub values: Vec<f32>,
    /// The number of the fold in which it is tested, if the data set has folds.
    pub fold: Option<usize>,
}

impl Default for Track {
    fn default() -> Self {
        let (paths, labels, unknown, values) = Default::default();
        Track { paths, part: Part::Train, labels, unknown, values, fold: None }
    }
}

/// A data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name in results.
    pub name: String,
    /// How many labels a track may have.
    pub labelling: Labelling,
    /// The names of the classes, or of the targets.
    pub classes: Vec<String>,
    /// The tracks, in the order of the files.
    pub tracks: Vec<Track>,
    /// The number of folds; 0 if the tracks have fixed parts. In each fold, the tracks of one are tested, those of the next
    /// are for validation, and all others for training.
    pub folds: usize,
}

impl Dataset {
    /// The tracks of a part.
    pub fn part(&self, part: Part) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(move |track| track.part == part)
    }

    /// The numbers of training, validation and test tracks; with folds, those of the first.
    pub fn sizes(&self) -> [usize; 3] {
        Part::ALL.map(|part| self.part(part).count())
    }

    /// How often heads are trained and tested: once, or once for each fold.
    pub fn rounds(&self) -> usize {
        self.folds.max(1)
    }

    /// The part of a track in a round.
    pub fn part_in(&self, track: &Track, round: usize) -> Part {
        match track.fold {
            None => track.part,
            Some(fold) => fold_part(fold, round, self.folds),
        }
    }
}

/// The part of the tracks of a fold when another is tested.
fn fold_part(fold: usize, tested: usize, folds: usize) -> Part {
    match (fold + folds - tested) % folds {
        0 => Part::Test,
        1 => Part::Validation,
        _ => Part::Train,
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
    /// GTZAN, in the split without faults.
    Gtzan,
    /// OpenMIC-2018.
    OpenMic,
    /// emoMusic.
    EmoMusic,
    /// DEAM.
    Deam,
    /// A user's CSV file.
    Csv,
}

impl Known {
    /// All of them, with their names on the command line and in results.
    pub const ALL: [(&'static str, Known); 11] = [
        ("mtg-jamendo-genre", Known::MtgJamendo(mtg_jamendo::Task::Genre)),
        ("mtg-jamendo-instrument", Known::MtgJamendo(mtg_jamendo::Task::Instrument)),
        ("mtg-jamendo-moodtheme", Known::MtgJamendo(mtg_jamendo::Task::MoodTheme)),
        ("mtg-jamendo-top50", Known::MtgJamendo(mtg_jamendo::Task::Top50Tags)),
        ("magnatagatune", Known::MagnaTagATune),
        ("fma-small", Known::FmaSmall),
        ("gtzan", Known::Gtzan),
        ("openmic-2018", Known::OpenMic),
        ("emomusic", Known::EmoMusic),
        ("deam", Known::Deam),
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
            Known::Gtzan => gtzan::read(metadata),
            Known::OpenMic => openmic::read(metadata),
            Known::EmoMusic => emotion::emomusic(metadata),
            Known::Deam => emotion::deam(metadata),
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
    /// Names of classes of which nothing is known.
    unknown: Vec<String>,
}

/// What is said about a track.
#[derive(Default)]
struct Said {
    /// The names of its labels, which need not be known yet.
    names: Vec<String>,
    /// The names of labels of which it is not known whether it has them.
    unknown: Vec<String>,
    /// The numbers of the targets.
    values: Vec<f32>,
    /// Its fold.
    fold: Option<usize>,
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
        names: Vec<String>,
    ) -> Result<()> {
        self.add_said(file, line, paths, part, Said { names, ..Said::default() })
    }

    /// Adds a track with anything that can be said about it.
    fn add_said(&mut self, file: &Path, line: u64, paths: Vec<String>, part: Part, said: Said) -> Result<()> {
        let Said { mut names, unknown, values, fold } = said;
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
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(text::wrong(file, line, format!("the target {value} is not finite")));
        }
        let track = Track { paths, part, values, fold, ..Track::default() };
        self.rows.push(Row { file: file.to_owned(), line, track, names, unknown });
        Ok(())
    }

    /// The labels of training tracks, sorted.
    fn classes(&self) -> Vec<String> {
        let training =
            self.rows.iter().filter(|row| row.track.part == Part::Train || row.track.fold.is_some());
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
        let folds = self.rows.iter().filter_map(|row| row.track.fold).max().map_or(0, |last| last + 1);
        for Row { file, line, mut track, names, unknown } in self.rows {
            let known = unknown.iter().filter_map(|name| numbers.get(name.as_str()));
            track.unknown = known.copied().collect();
            track.unknown.sort_unstable();
            if labelling == Labelling::Regression && track.values.len() != classes.len() {
                let reason = format!("{} numbers for {} targets", track.values.len(), classes.len());
                return Err(text::wrong(&file, line, reason));
            }
            if let Some(fold) = track.fold {
                track.part = fold_part(fold, 0, folds);
            }
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
        let dataset = Dataset { name: name.into(), labelling, classes, tracks, folds };
        if (1..3).contains(&folds) {
            return Err(Error::format(metadata, format!("{folds} folds; at least 3 are needed")));
        }
        for fold in 0..folds {
            if !dataset.tracks.iter().any(|track| track.fold == Some(fold)) {
                return Err(Error::format(metadata, format!("no tracks in one of its {folds} folds")));
            }
        }
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
    fn every_fold_is_tested_once() {
        for folds in 3..6 {
            for fold in 0..folds {
                let parts: Vec<Part> = (0..folds).map(|round| fold_part(fold, round, folds)).collect();
                let count = |part| parts.iter().filter(|&&own| own == part).count();
                assert_eq!((count(Part::Test), count(Part::Validation)), (1, 1), "{parts:?}");
                assert_eq!(parts[fold], Part::Test);
            }
        }
    }

    #[test]
    fn names_are_those_of_all() {
        for (name, known) in Known::ALL {
            assert_eq!(known.name(), name);
        }
    }
}
