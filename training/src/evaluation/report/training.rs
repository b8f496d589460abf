//! Table 1, Figure 2 and the table of all training runs.

use std::path::Path;

use super::Found;
use super::paper::TABLE_1;
use super::retrieval::Same;
use super::runs::Run;
use super::table::{Cell, Table, Whose};
use crate::error::Result;
use crate::evaluation::results::{Figure, Task};
use crate::pairs::Association;
use crate::pairs::tables::{PAIRS, Split, path};
use crate::plot::{Chart, Measure, Side};
use crate::splits::Part;
use crate::stats::{Stats, stats};
use crate::table::TableReader;

/// Counts of a data set.
pub struct Data {
    stats: Stats,
    /// Distinct artists in the training pairs of each association, in the order of [`Association::ALL`].
    artists: Vec<Option<u64>>,
    /// Distinct artists of the training part.
    training_artists: u64,
}

impl Data {
    /// Counts a data set.
    ///
    /// # Errors
    /// If one of its tables cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let stats = stats(folder)?;
        let split = Split::read(folder, None)?;
        let links = &split.metadata.artists;
        let count = |tracks: &mut dyn Iterator<Item = u32>| {
            let mut seen = vec![false; links.distinct()];
            tracks.for_each(|track| links.of(track).iter().for_each(|&artist| seen[artist as usize] = true));
            seen.into_iter().filter(|&seen| seen).count() as u64
        };
        let mut artists = Vec::new();
        for association in Association::ALL {
            let file = path(folder, association, Part::Train);
            if !file.exists() {
                artists.push(None);
                continue;
            }
            let mut tracks = Vec::new();
            for rows in TableReader::open(&file, &PAIRS, &["anchor", "positive"])? {
                let rows = rows?;
                // `stats` has checked that all tracks are in the data set.
                let both = rows.ids("anchor").values().iter().chain(rows.ids("positive").values());
                tracks.extend(both.filter_map(|&track| u32::try_from(track).ok()));
            }
            artists.push(Some(count(&mut tracks.into_iter())));
        }
        let training_artists = count(&mut split.tracks(Part::Train).into_iter());
        Ok(Data { stats, artists, training_artists })
    }

    /// The numbers of training pairs and of their artists, for the association with this name.
    fn pairs(&self, name: &str) -> Option<(u64, u64)> {
        let at = Association::ALL.iter().position(|association| association.name() == name)?;
        let row = self.stats.rows.iter().find(|row| row.association == Association::ALL[at])?;
        Some((row.pairs[Part::Train as usize]?, self.artists[at]?))
    }
}

/// The first run of an association alone.
fn first<'a>(runs: &'a [Run], association: &str) -> Option<&'a Run> {
    runs.iter().find(|run| run.association() == Some(association) && run.best.is_some())
}

/// Table 1: associations.
pub fn table_1(data: Option<&Data>, runs: &[Run]) -> Table {
    let mut table = Table {
        file: "table-1-associations",
        title: "Table 1: associations".into(),
        about: "Training pairs, how many distinct tracks, releases, artists or labels the pairs of all parts hold \
                (diversity), training time, and in-batch top-1 accuracy of the validation pairs \
                (top-1, in percent). Top-1 depends on the pairs of a batch, or of the validation part where that has \
                fewer: fewer pairs are easier."
            .into(),
        columns: ["association", "source", "pairs", "diversity", "training time", "top-1", "pairs a batch"]
            .map(str::to_owned)
            .into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    for paper in &TABLE_1 {
        let name = paper.association.name();
        table.push(
            Whose::Paper,
            [
                Cell::text(name),
                Cell::text("paper"),
                Cell::text(paper.pairs),
                Cell::text(paper.diversity),
                Cell::text(paper.time),
                Cell::Printed(paper.top1, 1),
                Cell::Count(200),
            ],
        );
        let row =
            data.and_then(|data| data.stats.rows.iter().find(|row| row.association == paper.association));
        let pairs = row.and_then(|row| row.pairs[Part::Train as usize]);
        let run = first(runs, name);
        let top1 = run.and_then(|run| ratio(run.top1.first().map(|(_, top1)| *top1)));
        table.push(
            Whose::Ours,
            [
                Cell::text(name),
                Cell::text("ours"),
                Cell::count(pairs),
                Cell::count(pairs.and(row).map(|row| row.diversity)),
                run.map_or(Cell::NotRun, |run| Cell::text(duration(run.seconds))),
                Cell::figure(top1.as_ref()),
                Cell::count(run.map(|run| run.associations[0].1)),
            ],
        );
        if let Some(run) = run {
            // With few validation pairs, a high accuracy is easy and means little.
            let among = row.and_then(|row| row.pairs[Part::Validation as usize]);
            let among = among.map(|pairs| format!(", {pairs} validation pairs")).unwrap_or_default();
            let best = run.best.unwrap_or_default();
            table.note(format!(
                "ours, {name}: the run {}; top-1 after epoch {best}, that of the lowest validation loss{among}",
                run.name
            ));
        }
    }
    if data.is_none() {
        table.note("pairs and diversity: no data set was given (--data)".into());
    }
    table
}

fn ratio(value: Option<f64>) -> Option<Figure> {
    value.filter(|value| value.is_finite()).map(|value| Figure { value, ..Figure::default() })
}

/// Every run, one per row.
pub fn attempts(data: Option<&Data>, runs: &[Run], all: &[Found]) -> Table {
    let mut table = Table {
        file: "attempts",
        title: "Every training run".into(),
        about: "What was tried: where the configuration differs from the shipped one of the same kind, training pairs and \
                the artists in them, pairs of a batch × batches of a step, epochs that ended of those planned, top-1 \
                accuracy of the validation pairs after the epoch of the lowest validation loss, and same-artist mean \
                average precision where the model was evaluated; in percent."
            .into(),
        columns: [
            "run", "learns", "configuration", "pairs", "artists", "batch", "epochs", "best epoch", "top-1",
            "same-artist mAP",
        ]
        .map(str::to_owned)
        .into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    for run in runs {
        let counted: Vec<(u64, u64)> =
            run.associations.iter().filter_map(|(name, _)| data.and_then(|data| data.pairs(name))).collect();
        let (pairs, artists) = match (run.associations.len(), counted.as_slice()) {
            // Tags are learnt from every track of the training part.
            (0, _) => match data {
                Some(data) => (
                    Cell::text(format!("{} tracks", data.stats.tracks[Part::Train as usize])),
                    Cell::Count(data.training_artists),
                ),
                None => (Cell::NotRun, Cell::NotRun),
            },
            (1, &[(pairs, artists)]) => (Cell::Count(pairs), Cell::Count(artists)),
            (many, counted) if many == counted.len() => {
                let join = |which: fn(&(u64, u64)) -> u64| {
                    counted.iter().map(|one| which(one).to_string()).collect::<Vec<_>>().join(" + ")
                };
                (Cell::text(join(|one| one.0)), Cell::text(join(|one| one.1)))
            }
            _ => (Cell::NotRun, Cell::NotRun),
        };
        let top1 = match run.top1.as_slice() {
            [] if run.associations.is_empty() && run.best.is_some() => Cell::text("no pairs"),
            [] => Cell::NotRun,
            [(_, top1)] => Cell::figure(ratio(Some(*top1)).as_ref()),
            several => Cell::text(
                several
                    .iter()
                    .map(|(name, top1)| format!("{name} {:.1}", 100.0 * top1))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        };
        let changes = match run.changes.as_slice() {
            [] => "as shipped".to_owned(),
            changes => changes.join(", "),
        };
        table.push(
            Whose::Ours,
            [
                Cell::text(&*run.name),
                Cell::text(run.learns()),
                Cell::text(changes),
                pairs,
                artists,
                Cell::text(run.batch()),
                Cell::text(format!("{} of {}", run.epochs.1, run.epochs.0)),
                Cell::count(run.best),
                top1,
                Cell::figure(retrieval(run, runs, all)),
            ],
        );
    }
    if runs.is_empty() {
        let missing = table.columns.iter().skip(1).map(|_| Cell::NotRun);
        let cells: Vec<Cell> = std::iter::once(Cell::text("any")).chain(missing).collect();
        table.push(Whose::Ours, cells);
    } else if data.is_none() {
        table.note("pairs and artists: no data set was given (--data)".into());
    } else {
        table.note("pairs and artists are those of the data set given with --data".into());
    }
    table
}

/// Same-artist mean average precision of the encoder that was exported from a run: the encoder with the run's name, or
/// with its model's name if no other run has that.
fn retrieval<'a>(run: &Run, runs: &[Run], all: &'a [Found]) -> Option<&'a Figure> {
    let key = Same::Artist.key("map");
    let of = |name: &str| {
        let is = |found: &&Found| {
            let results = &found.results;
            results.task == Task::Retrieval
                && matches!(results.encoders.as_slice(), [one] if one.name == name)
                && results.metrics.contains_key(&key)
        };
        all.iter().find(is).and_then(|found| found.results.metrics.get(&key))
    };
    let alone = runs.iter().filter(|other| other.model == run.model).count() == 1;
    of(&run.name).or_else(|| if alone { of(&run.model) } else { None })
}

/// Figure 2: training accuracy of the first run of each association.
///
/// # Errors
/// If a log cannot be read.
pub fn figure_2(runs: &[Run]) -> Result<Option<Chart>> {
    let chosen: Vec<_> = Association::ALL
        .iter()
        .filter_map(|association| first(runs, association.name()))
        .map(|run| run.folder.clone())
        .collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    crate::plot::read(&chosen, Side::Train, Measure::Accuracy).map(Some)
}

/// Validation accuracy of every run that has it.
///
/// # Errors
/// If a log cannot be read.
pub fn validation(runs: &[Run]) -> Result<Option<Chart>> {
    let chosen: Vec<_> =
        runs.iter().filter(|run| !run.top1.is_empty()).map(|run| run.folder.clone()).collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    crate::plot::read(&chosen, Side::Validation, Measure::Accuracy).map(Some)
}

/// A duration such as `63 h` or `12 min`.
fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 3.0 * 3600.0 => format!("{:.0} h", seconds / 3600.0),
        seconds if seconds >= 3600.0 => format!("{:.1} h", seconds / 3600.0),
        seconds if seconds >= 60.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{seconds:.0} s"),
    }
}
