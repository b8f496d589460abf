//! What a model is worth where nobody has tagged the music: whether recordings by one artist, of one release or of one
//! label are near each other.
//!
//! Every track of the held-out parts is a query, and all others are ranked by the cosine of their vectors. By artist, a
//! track counts as found that shares an artist and no release; tracks of a common release are dropped from the ranking,
//! for they share a studio, a master and a codec. By release and by label the conditions are those under which pairs are
//! learnt: a release in common; a label and no artist. Near-duplicates are dropped throughout. What holds of pairs is in
//! [`crate::pairs::Association`].
//!
//! In the order in which data flows: [`collection`] says which tracks there are, [`vectors`] what they sound like,
//! [`ranking`] and [`precision`] how near the right ones are, [`bootstrap`] how far that can be trusted, and
//! [`alteration`] and [`confounds`] whether codec and loudness are what was heard.

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
use collection::Collection;
use precision::MEASURES;
use ranking::{Outcome, rank};

/// What tracks are looked for by, in the order of tables.
pub const ASSOCIATIONS: [Association; 3] = [Association::Artist, Association::Release, Association::Label];

/// What keys of figures begin with: `same_artist`.
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

/// What is evaluated, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the collection is called in results.
    pub dataset: String,
    /// The parts that the collection was read from.
    pub parts: Vec<Part>,
    /// How intervals are made.
    pub bootstrap: Bootstrap,
    /// The entry that the others are compared with, by name.
    pub against: Option<String>,
}

/// Ranks the collection with every entry. For each association and measure there are a figure with its interval, the
/// figure of chance (`..._chance`), and, where entries are compared, the difference to the entry that they are compared
/// with (`..._over_NAME`), whose interval is of paired differences. Associations under which no track is relevant to any
/// other have counts alone.
///
/// # Errors
/// If no entry is called as what is to be compared with, or two have one name.
pub fn evaluate(collection: &Collection, entries: &[Entry], options: &Options) -> Result<Vec<Results>> {
    let names: Vec<String> = entries.iter().map(Entry::name).collect();
    if let Some(name) =
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|one| one.1)
    {
        return Err(Error::InvalidArgument(format!("two encoders are called {name}")));
    }
    let against = match &options.against {
        None => None,
        Some(name) => Some(names.iter().position(|other| other == name).ok_or_else(|| {
            Error::InvalidArgument(format!("--against {name}: there are {}", names.join(", ")))
        })?),
    };
    let mut all: Vec<Results> = entries.iter().map(|entry| blank(collection, entry, options)).collect();
    for association in ASSOCIATIONS {
        let outcomes: Vec<Vec<Outcome>> = entries
            .iter()
            .map(|entry| rank(collection, association, entry.vectors.view(), entry.vectors.view()))
            .collect();
        let Some(first) = outcomes.first() else { continue };
        let counts = count(collection, association, first);
        for results in &mut all {
            results.counts.extend(counts.clone());
        }
        if first.is_empty() {
            let reason =
                format!("no track shares {} with another that it may be ranked with", noun(association));
            all.iter_mut().for_each(|results| results.remarks.push(reason.clone()));
            continue;
        }
        let groups: Vec<u32> = first.iter().map(|one| collection.group(one.track)).collect();
        let columns: Vec<Vec<Vec<f64>>> = outcomes.iter().map(|outcomes| columns(outcomes)).collect();
        for (at, results) in all.iter_mut().enumerate() {
            let figures = options.bootstrap.means(&groups, &columns[at]);
            for ((column, measure), figure) in MEASURES.iter().enumerate().zip(figures) {
                results.metrics.insert(format!("{}_{measure}", prefix(association)), figure);
                let chance =
                    first.iter().map(|one| one.chance.values[column]).sum::<f64>() / first.len() as f64;
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

/// The values of each measure over the queries.
fn columns(outcomes: &[Outcome]) -> Vec<Vec<f64>> {
    (0..MEASURES.len()).map(|at| outcomes.iter().map(|one| one.figures.values[at]).collect()).collect()
}

fn count(collection: &Collection, association: Association, outcomes: &[Outcome]) -> BTreeMap<String, u64> {
    let artists: BTreeSet<u32> =
        outcomes.iter().flat_map(|one| collection.artists(one.track)).copied().collect();
    let groups: BTreeSet<u32> = outcomes.iter().map(|one| collection.group(one.track)).collect();
    let key = |what: &str| format!("{}_{what}", prefix(association));
    BTreeMap::from([
        (key("queries"), outcomes.len() as u64),
        (key("without_relevant"), (collection.len() - outcomes.len()) as u64),
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
fn blank(collection: &Collection, entry: &Entry, options: &Options) -> Results {
    let artists: BTreeSet<u32> =
        (0..collection.len() as u32).flat_map(|track| collection.artists(track)).copied().collect();
    let nobody = (0..collection.len() as u32).filter(|&track| collection.artists(track).is_empty()).count();
    let held = collection.held;
    let counts = [
        ("tracks", collection.len()),
        ("artists", artists.len()),
        ("tracks_without_artist", nobody),
        ("near_duplicates_of_other_parts", held.near_duplicates),
        ("artists_in_other_parts", held.artists_elsewhere),
        ("tracks_with_a_release_in_other_parts", held.releases_elsewhere),
    ];
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
    if entry.sources.len() > 1 {
        protocol.insert("stack".to_owned(), "vectors of length 1, side by side".into());
    }
    let mut remarks = Vec::new();
    if held.artists_elsewhere > 0 {
        remarks.push(format!(
            "{} artists have tracks in other parts too: these are no held-out artists",
            held.artists_elsewhere
        ));
    }
    Results {
        schema: SCHEMA,
        task: Task::Retrieval,
        dataset: options.dataset.clone(),
        encoders: entry.sources.clone(),
        protocol,
        counts: counts.into_iter().map(|(key, value)| (key.to_owned(), value as u64)).collect(),
        metrics: BTreeMap::new(),
        remarks,
    }
}
