//! Sets measured figures beside the paper's, as Markdown, CSV and one page of HTML.
//!
//! The modules, in the order in which data flows: [`runs`] reads folders of training runs; `training`, `downstream` and
//! `retrieval` make the tables, with the paper's figures in [`paper`]; [`table`] writes them as Markdown and CSV, and
//! `html` as a page.
//!
//! # Names
//!
//! The report recognises these names in results files ([`Results`]). Downstream: data sets `mtg-jamendo-genre`,
//! `mtg-jamendo-instrument`, `mtg-jamendo-moodtheme`, `mtg-jamendo-top50`, `magnatagatune` and `fma-small`; metrics
//! `roc_auc`, `pr_auc` and `accuracy`. Retrieval, on any data set: metrics `artist/map`, `artist/precision@1`,
//! `artist/precision@5`, `artist/precision@10` and the same followed by `/chance`; counts `artist/queries` and
//! `artist/artists`; and all of these with `release/` and `label/`. The spellings `same_artist_map`,
//! `same_artist_precision_1`, `same_artist_map_chance` and `same_artist_queries` mean the same. Every other metric has
//! a row in a further table, so that nothing is dropped.

mod downstream;
mod html;
pub mod paper;
mod retrieval;
pub mod runs;
pub mod table;
mod training;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use askama::Template;

use super::results::{Figure, Results, Task};
use crate::atomic;
use crate::error::{Error, Result};
use crate::plot::svg;
use retrieval::Same;
use table::{Cell, Table, Whose, escaped};
use training::Data;

/// The inputs of a report. It says which are missing.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// A folder of results files.
    pub results: Option<PathBuf>,
    /// Folders of runs, or folders that contain them.
    pub runs: Vec<PathBuf>,
    /// The folder of the runs' data set.
    pub data: Option<PathBuf>,
}

/// A results file, and which of its metrics a table has used.
struct Found {
    results: Results,
    taken: RefCell<BTreeSet<String>>,
}

impl Found {
    fn new(mut results: Results) -> Self {
        if results.task == Task::Retrieval {
            results.metrics =
                results.metrics.into_iter().map(|(name, figure)| (retrieval::spelt(&name), figure)).collect();
            results.counts =
                results.counts.into_iter().map(|(name, count)| (retrieval::spelt(&name), count)).collect();
        }
        Found { results, taken: RefCell::default() }
    }

    /// The encoder's name, and the kind of crops if it is not the paper's.
    fn name(&self) -> String {
        let name = self.results.name();
        match self.results.protocol.get("crops").and_then(|crops| crops.as_str()) {
            None | Some("random") => name,
            Some(other) => format!("{name} ({other} crops)"),
        }
    }

    /// A figure, which is then marked as used.
    fn take(&self, metric: &str) -> Option<&Figure> {
        let figure = self.results.metrics.get(metric)?;
        self.taken.borrow_mut().insert(metric.to_owned());
        Some(figure)
    }

    /// Its remarks for the reader.
    fn remarks(&self) -> impl Iterator<Item = String> {
        let of = format!("{}, {}", self.name(), self.results.dataset);
        self.results.remarks.iter().map(move |remark| format!("{of}: {remark}"))
    }
}

/// A part of a report.
#[derive(Clone, Debug)]
pub enum Part {
    /// A table.
    Table(Table),
    /// A picture.
    Picture(Picture),
}

/// A picture of a report.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The name of its file, without extension.
    pub file: String,
    /// The caption.
    pub caption: String,
    /// An `svg` element.
    pub svg: String,
}

/// The tables and pictures of everything that was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// In reading order.
    pub parts: Vec<Part>,
    /// The numbers of results files and runs.
    pub found: (usize, usize),
}

const TITLE: &str = "Evaluation of the models";
const ABOUT: &str = "Figures measured here beside those of Alonso-Jiménez, Serra and Bogdanov, \"Music Representation \
    Learning Based on Editorial Metadata from Discogs\" (ISMIR 2022), and beside those that the paper quotes from the \
    literature. \"not run\" means that nothing was measured here, \"not given\" that others give no figure.";

impl Report {
    /// Reads all inputs and makes the tables.
    ///
    /// # Errors
    /// If a given folder is missing or empty, or one of its files cannot be read.
    pub fn gather(inputs: &Inputs) -> Result<Self> {
        if inputs.results.is_none() && inputs.runs.is_empty() && inputs.data.is_none() {
            let reason = "there is nothing to report on: give --results, --runs or --data";
            return Err(Error::InvalidArgument(reason.into()));
        }
        let mut all = Vec::new();
        if let Some(folder) = &inputs.results {
            let loaded = Results::load_all(folder)?;
            if loaded.is_empty() {
                let reason = "it contains no results, the .json files of `sleeve-train evaluate`".to_owned();
                return Err(Error::Nothing { path: folder.clone(), reason });
            }
            all.extend(loaded.into_iter().map(Found::new));
        }
        let runs = runs::read_all(&inputs.runs)?;
        let data = inputs.data.as_deref().map(Data::read).transpose()?;
        let data = data.as_ref();

        let mut parts = vec![Part::Table(training::table_1(data, &runs))];
        let picture = |parts: &mut Vec<Part>, file: &str, caption: &str, svg: String| {
            parts.push(Part::Picture(Picture { file: file.into(), caption: caption.into(), svg }));
        };
        if let Some(chart) = training::figure_2(&runs)? {
            let caption = "Figure 2: training top-1 accuracy over epochs, by association. The paper's own exists only as \
                           a picture, without values to print beside it.";
            picture(&mut parts, "figure-2", caption, svg(&chart));
        }
        parts.push(Part::Table(downstream::table_3(&all)));
        parts.push(Part::Table(downstream::table_4(&all)));
        for same in [Same::Artist, Same::Release, Same::Label] {
            // The first two are always shown; labels only if they were evaluated.
            if same == Same::Label && !retrieval::any(&all, same) {
                continue;
            }
            let table = retrieval::table(&all, same);
            for (at, (dataset, bars)) in retrieval::pictures(&all, same).into_iter().enumerate() {
                let file = format!("{}-{}", table.file, at + 1);
                let caption = format!("{} on {dataset}: mean average precision in percent.", table.title);
                picture(&mut parts, &file, &caption, svg(&bars));
            }
            parts.push(Part::Table(table));
        }
        parts.push(Part::Table(training::attempts(data, &runs, &all)));
        if let Some(chart) = training::validation(&runs)? {
            let caption = "Validation top-1 accuracy over epochs, every run.";
            picture(&mut parts, "validation-accuracy", caption, svg(&chart));
        }
        parts.extend(further(&all).map(Part::Table));
        parts.extend(protocols(&all).map(Part::Table));
        Ok(Report { parts, found: (all.len(), runs.len()) })
    }

    /// The tables.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.parts.iter().filter_map(|part| match part {
            Part::Table(table) => Some(table),
            Part::Picture(_) => None,
        })
    }

    /// The pictures.
    pub fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.parts.iter().filter_map(|part| match part {
            Part::Picture(picture) => Some(picture),
            Part::Table(_) => None,
        })
    }

    /// As Markdown, with the pictures in files beside it.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {TITLE}\n\n{}\n", escaped(ABOUT));
        for part in &self.parts {
            text.push('\n');
            match part {
                Part::Table(table) => text += &table.markdown(),
                Part::Picture(picture) => {
                    text += &format!("![{}]({}.svg)\n", escaped(&picture.caption), picture.file);
                }
            }
        }
        text
    }

    /// As a self-contained page.
    pub fn html(&self) -> String {
        let page = html::Page { title: TITLE, about: ABOUT, parts: &self.parts };
        page.render().expect("a text has room") + "\n"
    }

    /// Writes `report.md`, `report.html`, a `.csv` for every table and an `.svg` for every picture, and returns their
    /// paths.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files: Vec<(String, String)> =
            vec![("report.md".into(), self.markdown()), ("report.html".into(), self.html())];
        files.extend(self.tables().map(|table| (format!("{}.csv", table.file), table.csv())));
        files.extend(self.pictures().map(|picture| (format!("{}.svg", picture.file), picture.svg.clone())));
        let mut written = Vec::new();
        for (name, text) in files {
            let path = folder.join(name);
            atomic::write(&path, text.as_bytes())?;
            written.push(path);
        }
        Ok(written)
    }
}

fn task(task: Task) -> &'static str {
    match task {
        Task::Downstream => "downstream",
        Task::Retrieval => "retrieval",
    }
}

/// The figures that no other table has used.
fn further(all: &[Found]) -> Option<Table> {
    let mut table = Table {
        file: "further-figures",
        title: "Further figures".into(),
        about: "All other figures of the results files; ratios are from 0 to 1 here.".into(),
        columns: ["task", "data set", "encoder", "metric", "value", "interval", "seeds"]
            .map(str::to_owned)
            .into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    for found in all {
        let taken = found.taken.borrow();
        for (metric, figure) in found.results.metrics.iter().filter(|(metric, _)| !taken.contains(*metric)) {
            let number = |value: f64| format!("{value:.4}");
            let interval = figure.interval.map_or_else(
                || "none".to_owned(),
                |[low, high]| format!("{} to {}", number(low), number(high)),
            );
            let seeds: Vec<String> = figure.seeds.iter().map(|&seed| number(seed)).collect();
            table.push(
                Whose::Ours,
                [
                    Cell::text(task(found.results.task)),
                    Cell::text(&*found.results.dataset),
                    Cell::text(found.name()),
                    Cell::text(metric),
                    Cell::Text(number(figure.value)),
                    Cell::Text(interval),
                    Cell::Text(if seeds.is_empty() { "one".into() } else { seeds.join(", ") }),
                ],
            );
        }
        if !taken.is_empty() && found.results.metrics.len() == taken.len() {
            continue;
        }
        found.remarks().for_each(|remark| table.note(remark));
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The protocol and the counts of every evaluation.
fn protocols(all: &[Found]) -> Option<Table> {
    let mut table = Table {
        file: "evaluations",
        title: "How it was measured".into(),
        about: "Every evaluation that was found, with its settings and counts.".into(),
        columns: ["task", "data set", "encoder", "settings", "counts"].map(str::to_owned).into(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    for found in all {
        let results = &found.results;
        let settings: Vec<String> = results
            .protocol
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key}={text}"),
                None => format!("{key}={value}"),
            })
            .collect();
        let counts: Vec<String> =
            results.counts.iter().map(|(key, count)| format!("{key}={count}")).collect();
        let or_none = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        table.push(
            Whose::Ours,
            [
                Cell::text(task(results.task)),
                Cell::text(&*results.dataset),
                Cell::text(found.name()),
                Cell::text(or_none(settings)),
                Cell::text(or_none(counts)),
            ],
        );
    }
    (!table.rows.is_empty()).then_some(table)
}
