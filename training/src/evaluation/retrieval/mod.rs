//! Measures a model on music without tags: whether recordings of one artist, release or label are near each other.
//!
//! Every track of the held-out parts is a query, and all others are ranked by the cosine of their vectors. By artist, a
//! track is relevant if it shares an artist and no release; tracks of a common release are dropped from the ranking,
//! because they share a studio, a master and a codec. By release and by label, the conditions are those of training
//! pairs: a release in common; a label and no artist in common. Near-duplicates are always dropped. The conditions are
//! in [`crate::pairs::Association`].
//!
//! The modules, in the order in which data flows: [`collection`] has the tracks, [`vectors`] embeds them, [`ranking`]
//! and [`precision`] measure how near the relevant ones are, [`bootstrap`] computes intervals, and [`alteration`] and
//! [`confounds`] test the effect of codec and loudness.

pub mod alteration;
pub mod bootstrap;
pub mod collection;
pub mod confounds;
pub mod precision;
pub mod ranking;
pub mod table;
pub mod vectors;

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;

use super::results::{Figure, Results, SCHEMA, Source, Task};
use crate::error::{Error, Result};
use crate::pairs::Association;
use crate::splits::Part;
use bootstrap::Bootstrap;
use collection::{Collection, Held};
use precision::MEASURES;
use ranking::{Outcome, rank};

/// The associations that are evaluated, in the order of tables.
pub const ASSOCIATIONS: [Association; 3] = [Association::Artist, Association::Release, Association::Label];

/// The prefix of keys, such as `same_artist`.
pub fn prefix(association: Association) -> String {
    format!("same_{}", association.name())
}

/// The vectors of one encoder, or of a stack.
pub struct Entry {
    /// The encoders.
    pub sources: Vec<Source>,
    /// `[tracks, dimensions]`, each of length 1 or 0.
    pub vectors: Array2<f32>,
}

impl Entry {
    /// The encoders' names joined with `+`.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        names.join("+")
    }
}

/// A collection that is searched, and the vectors of each encoder.
pub struct Fold {
    /// The tracks.
    pub collection: Collection,
    /// The encoders and stacks, with vectors of the collection's tracks.
    pub entries: Vec<Entry>,
}

/// The options of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the collection in results.
    pub dataset: String,
    /// The parts that the collection was read from.
    pub parts: Vec<Part>,
    /// The bootstrap for intervals.
    pub bootstrap: Bootstrap,
    /// The name of the entry that the others are compared with.
    pub against: Option<String>,
}

/// Ranks the collection with every entry. For each association and measure there are a figure with its interval, the
/// chance level (`..._chance`), and, if entries are compared, the difference to the reference entry (`..._over_NAME`)
/// with an interval of paired differences. An association without relevant tracks has only counts.
///
/// With several folds, as in cross-validation, each is searched separately, and the queries of all folds are pooled. An
/// entry of each fold is then the result of the same training method.
///
/// # Errors
/// If there is no entry with the reference name, two have the same name, or folds have different entries.
pub fn evaluate(folds: &[Fold], options: &Options) -> Result<Vec<Results>> {
    let Some(first) = folds.first() else { return Ok(Vec::new()) };
    let names: Vec<String> = first.entries.iter().map(Entry::name).collect();
    if let Some(name) =
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|one| one.1)
    {
        return Err(Error::InvalidArgument(format!("two encoders are called {name}")));
    }
    if folds.iter().any(|fold| !fold.entries.iter().map(Entry::name).eq(names.iter().cloned())) {
        return Err(Error::InvalidArgument("the folds do not have the same encoders".into()));
    }
    let against = match &options.against {
        None => None,
        Some(name) => Some(names.iter().position(|other| other == name).ok_or_else(|| {
            Error::InvalidArgument(format!("--against {name}: it must be one of {}", names.join(", ")))
        })?),
    };
    let mut all: Vec<Results> = (0..names.len()).map(|at| blank(folds, at, options)).collect();
    for association in ASSOCIATIONS {
        let outcomes: Vec<Vec<Query>> = (0..names.len()).map(|at| asked(folds, association, at)).collect();
        let Some(first) = outcomes.first() else { continue };
        let counts = count(folds, association, first);
        for results in &mut all {
            results.counts.extend(counts.clone());
        }
        if first.is_empty() {
            let reason = format!("no track shares {} with another track of its ranking", noun(association));
            all.iter_mut().for_each(|results| results.remarks.push(reason.clone()));
            continue;
        }
        let groups: Vec<u32> = first.iter().map(|query| query.group(folds)).collect();
        let columns: Vec<Vec<Vec<f64>>> = outcomes.iter().map(|outcomes| columns(outcomes)).collect();
        for (at, results) in all.iter_mut().enumerate() {
            let figures = options.bootstrap.means(&groups, &columns[at]);
            for ((column, measure), figure) in MEASURES.iter().enumerate().zip(figures) {
                results.metrics.insert(format!("{}_{measure}", prefix(association)), figure);
                let chance = first.iter().map(|query| query.outcome.chance.values[column]).sum::<f64>()
                    / first.len() as f64;
                let chance = Figure { value: chance, ..Figure::default() };
                results.metrics.insert(format!("{}_{measure}_chance", prefix(association)), chance);
            }
            let Some(other) = against.filter(|&other| other != at) else { continue };
            let differences: Vec<Vec<f64>> = columns[at]
                .iter()
                .zip(&columns[other])
                .map(|(mine, theirs)| mine.iter().zip(theirs).map(|(a, b)| a - b).collect())
                .collect();
            for (measure, figure) in MEASURES.iter().zip(options.bootstrap.means(&groups, &differences)) {
                let key = format!("{}_{measure}_over_{}", prefix(association), names[other]);
                results.metrics.insert(key, figure);
            }
        }
    }
    Ok(all)
}

/// The outcome of one query of a fold.
struct Query {
    fold: usize,
    outcome: Outcome,
}

impl Query {
    /// Its group in the bootstrap; folds have no group in common.
    fn group(&self, folds: &[Fold]) -> u32 {
        let before: usize = folds[..self.fold].iter().map(|fold| fold.collection.len()).sum();
        before as u32 + folds[self.fold].collection.group(self.outcome.track)
    }
}

/// Queries with every track of every fold, by the vectors of one entry.
fn asked(folds: &[Fold], association: Association, entry: usize) -> Vec<Query> {
    let of_fold = |(at, fold): (usize, &Fold)| {
        let vectors = fold.entries[entry].vectors.view();
        let outcomes = rank(&fold.collection, association, vectors, vectors);
        outcomes.into_iter().map(move |outcome| Query { fold: at, outcome })
    };
    folds.iter().enumerate().flat_map(of_fold).collect()
}

/// The values of each measure over the queries.
fn columns(queries: &[Query]) -> Vec<Vec<f64>> {
    let column = |at: usize| queries.iter().map(|query| query.outcome.figures.values[at]).collect();
    (0..MEASURES.len()).map(column).collect()
}

fn count(folds: &[Fold], association: Association, queries: &[Query]) -> BTreeMap<String, u64> {
    // Artists have other numbers in each fold.
    let artists_of = |query: &Query| {
        let artists = folds[query.fold].collection.artists(query.outcome.track).iter();
        artists.map(|&artist| (query.fold, artist)).collect::<Vec<_>>()
    };
    let artists: BTreeSet<(usize, u32)> = queries.iter().flat_map(artists_of).collect();
    let groups: BTreeSet<u32> = queries.iter().map(|query| query.group(folds)).collect();
    let tracks: usize = folds.iter().map(|fold| fold.collection.len()).sum();
    let key = |what: &str| format!("{}_{what}", prefix(association));
    BTreeMap::from([
        (key("queries"), queries.len() as u64),
        (key("without_relevant"), (tracks - queries.len()) as u64),
        (key("artists"), artists.len() as u64),
        (key("groups"), groups.len() as u64),
    ])
}

fn noun(association: Association) -> &'static str {
    match association {
        Association::Track => "a file",
        Association::Release => "a release",
        Association::Artist => "an artist",
        Association::Label => "a label",
    }
}

/// Results without figures.
fn blank(folds: &[Fold], entry: usize, options: &Options) -> Results {
    let over_folds = |count: &dyn Fn(&Collection) -> usize| -> usize {
        folds.iter().map(|fold| count(&fold.collection)).sum()
    };
    let artists = |collection: &Collection| {
        let all = (0..collection.len() as u32).flat_map(|track| collection.artists(track));
        all.collect::<BTreeSet<_>>().len()
    };
    let nobodys = |collection: &Collection| {
        (0..collection.len() as u32).filter(|&track| collection.artists(track).is_empty()).count()
    };
    let held = |count: fn(&Held) -> usize| over_folds(&|collection| count(&collection.held));
    let artists_elsewhere = held(|held| held.artists_elsewhere);
    let counts = [
        ("tracks", over_folds(&Collection::len)),
        ("artists", over_folds(&artists)),
        ("tracks_without_artist", over_folds(&nobodys)),
        ("near_duplicates_of_other_parts", held(|held| held.near_duplicates)),
        ("artists_in_other_parts", artists_elsewhere),
        ("tracks_with_a_release_in_other_parts", held(|held| held.releases_elsewhere)),
    ];
    let sources = sources(folds, entry);
    let parts: Vec<&str> = options.parts.iter().map(|part| part.name()).collect();
    let mut protocol = BTreeMap::from([
        ("parts".to_owned(), parts.join("+").into()),
        ("similarity".to_owned(), "cosine".into()),
        (
            "vector".to_owned(),
            "mean of half-overlapped patches, or what the encoder makes of the whole".into(),
        ),
        ("ties".to_owned(), "expectation over their orders".into()),
        ("resampled".to_owned(), "artists, joined where they record together".into()),
        ("resamples".to_owned(), options.bootstrap.resamples.into()),
        ("seed".to_owned(), options.bootstrap.seed.into()),
    ]);
    if folds.len() > 1 {
        protocol.insert("folds".to_owned(), folds.len().into());
    }
    if sources.len() > 1 {
        protocol.insert("stack".to_owned(), "vectors of length 1, side by side".into());
    }
    let mut remarks = Vec::new();
    if artists_elsewhere > 0 {
        remarks.push(format!(
            "{artists_elsewhere} artists have tracks in other parts too: these artists are not held out"
        ));
    }
    Results {
        schema: SCHEMA,
        task: Task::Retrieval,
        dataset: options.dataset.clone(),
        encoders: sources,
        protocol,
        counts: counts.into_iter().map(|(key, value)| (key.to_owned(), value as u64)).collect(),
        metrics: BTreeMap::new(),
        remarks,
    }
}

/// The encoders of an entry; if each fold has another model, its identity is those of all.
fn sources(folds: &[Fold], entry: usize) -> Vec<Source> {
    let mut sources = folds[0].entries[entry].sources.clone();
    for (at, source) in sources.iter_mut().enumerate() {
        let all = folds.iter().map(|fold| fold.entries[entry].sources[at].identity.as_str());
        let all: Vec<&str> = all.collect();
        if all.iter().any(|identity| *identity != all[0]) {
            source.identity = all.join(" ");
        }
    }
    sources
}
