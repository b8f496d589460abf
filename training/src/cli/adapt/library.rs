//! A model for one's own library: everything from the files to the model, and whether it has helped.

use std::path::Path;

use ndarray::{Array2, Axis};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::super::scan::{list, scan_with_bar};
use super::base::{Base, Listening, Target};
use crate::adaptation::scatter::Scatter;
use crate::adaptation::{Adaptation, Embedded, Options, learn};
use crate::error::{Error, Result};
use crate::evaluation::results::{Figure, Source};
use crate::evaluation::retrieval::bootstrap::Bootstrap;
use crate::evaluation::retrieval::collection::Collection;
use crate::evaluation::retrieval::ranking::normalise;
use crate::evaluation::retrieval::{self, ASSOCIATIONS, Entry, Fold, prefix};
use crate::matching::own::from_tags;
use crate::pairs::Association;
use crate::scan;
use crate::splits::{self, Part, split};

/// One artist of so many is held out.
const HELD_OUT: usize = 4;

/// Scans `music`, takes the metadata from its tags, and adapts `base` to it. The tables are in the folder `work`.
pub fn adapt(
    music: &Path,
    work: &Path,
    base: &mut Base,
    listening: &Listening,
    options: &Options,
    target: &Target,
    more: Map<String, Value>,
) -> Result<()> {
    let (table, set) = (work.join("collection.parquet"), work.join("set"));
    std::fs::create_dir_all(work).map_err(|error| Error::io(work, error))?;
    let scanned = scan_with_bar(music, &table, &scan::Options::default())?;
    list(&scanned.unreadable, &format!("{}.unreadable.tsv", table.display()));
    println!("{} tracks, {} unreadable", scanned.tracks, scanned.unreadable.len());
    let tagged = from_tags(&table, &set)?;
    println!(
        "{} of them have an artist or an album in their tags; {} artists",
        tagged.matched, tagged.artists
    );
    if tagged.matched == 0 {
        let reason = format!("none of its {} tracks has an artist or an album in its tags", scanned.tracks);
        return Err(Error::Nothing { path: music.to_owned(), reason });
    }
    // A quarter of the artists for the figure.
    let held_out = splits::Options {
        fold: Some(splits::Fold { index: 1, count: HELD_OUT }),
        styles: 0,
        validation: 0,
        releases: 0,
        ..splits::Options::default()
    };
    let parts = split(&set, &set, &held_out, |_, _| ());
    let (collection, embedded) = match &parts {
        Ok(_) => base.embed(Collection::read(&set, &Part::ALL)?, listening)?,
        // So few artists that none can be held out.
        Err(Error::Nothing { .. }) => {
            let everything = splits::Options { fold: None, test: 0, ..held_out };
            split(&set, &set, &everything, |_, _| ())?;
            base.embed(Collection::read(&set, &Part::ALL)?, listening)?
        }
        Err(_) => return parts.map(|_| ()),
    };
    let weighed = with_partners(options, &collection, &embedded)?;
    match measure(&set, base, &collection, &embedded, options)? {
        Some(outcome) => outcome.print(),
        None => println!("Whether it helps cannot be told: too few artists to hold some of them out."),
    }
    let adaptation = learn(&collection, &embedded, &weighed)?;
    target.write(base, &adaptation, collection.len(), more)
}

/// The options with only those associations by which any tracks belong together.
fn with_partners(options: &Options, collection: &Collection, embedded: &Embedded) -> Result<Options> {
    let mut options = options.clone();
    options.weights.retain(|&(association, weight)| {
        association == Association::Track
            || (weight > 0.0 && Scatter::of(collection, association, &embedded.means).anchors > 0)
    });
    if options.weights.iter().all(|(association, _)| *association == Association::Track) {
        let reason = "no two of its tracks have an artist, an album or a label in common".to_owned();
        return Err(Error::InvalidArgument(reason));
    }
    Ok(options)
}

/// The figures of one association before and after, and of the difference.
struct Compared {
    association: Association,
    before: f64,
    after: f64,
    difference: Figure,
    queries: u64,
}

struct Outcome {
    tracks: usize,
    compared: Vec<Compared>,
}

/// Measures a map that was learnt without the test part on that part; `None` if there is nothing to learn from or to
/// find.
fn measure(
    set: &Path,
    base: &Base,
    all: &Collection,
    embedded: &Embedded,
    options: &Options,
) -> Result<Option<Outcome>> {
    let part = |part: Part| -> Result<Option<(Collection, Vec<usize>)>> {
        let collection = match Collection::read(set, &[part]) {
            Ok(collection) => collection,
            Err(Error::Nothing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let places: FxHashMap<&str, usize> =
            all.tracks.iter().enumerate().map(|(at, track)| (track.path.as_str(), at)).collect();
        let found: Vec<(u32, usize)> = (0..)
            .zip(&collection.tracks)
            .filter_map(|(at, track)| Some((at, *places.get(track.path.as_str())?)))
            .collect();
        let (own, places): (Vec<u32>, Vec<usize>) = found.into_iter().unzip();
        Ok(Some((collection.select(&own), places)))
    };
    let (Some((train, of_train)), Some((test, of_test))) = (part(Part::Train)?, part(Part::Test)?) else {
        return Ok(None);
    };
    if train.is_empty() || test.is_empty() {
        return Ok(None);
    }
    let known =
        Embedded { means: embedded.means.select(Axis(0), &of_train), within: embedded.within.clone() };
    let Ok(options) = with_partners(options, &train, &known) else { return Ok(None) };
    let map = learn(&train, &known, &options)?;
    let plain = embedded.means.select(Axis(0), &of_test);
    let entry = |name: &str, vectors: &Array2<f64>| {
        let mut vectors = vectors.mapv(|value| value as f32);
        normalise(&mut vectors);
        let source = Source { name: name.to_owned(), identity: String::new(), dimensions: vectors.ncols() };
        Entry { sources: vec![source], vectors }
    };
    let tracks = test.len();
    let entries = vec![entry(base.name(), &plain), entry("adapted", &mapped(&map, &plain))];
    let settings = retrieval::Options {
        dataset: "library".into(),
        parts: vec![Part::Test],
        bootstrap: Bootstrap { resamples: 2000, seed: 0 },
        against: Some(base.name().to_owned()),
    };
    let results = retrieval::evaluate(&[Fold { collection: test, entries }], &settings)?;
    let [before, after] = &results[..] else { return Ok(None) };
    let of = |association: Association| {
        let key = format!("{}_map", prefix(association));
        Some(Compared {
            association,
            before: before.metrics.get(&key)?.value,
            after: after.metrics.get(&key)?.value,
            difference: after.metrics.get(&format!("{key}_over_{}", base.name()))?.clone(),
            queries: *after.counts.get(&format!("{}_queries", prefix(association)))?,
        })
    };
    let compared: Vec<Compared> = ASSOCIATIONS.into_iter().filter_map(of).collect();
    Ok(if compared.is_empty() { None } else { Some(Outcome { tracks, compared }) })
}

fn mapped(map: &Adaptation, means: &Array2<f64>) -> Array2<f64> {
    (means - &map.mean).dot(&map.map.t())
}

impl Outcome {
    fn print(&self) {
        println!(
            "held out: {} tracks, by artists that the map for these figures was not learnt from",
            self.tracks
        );
        for Compared { association, before, after, difference, queries } in &self.compared {
            let interval = difference.interval.map_or_else(String::new, |[low, high]| {
                format!(", 95 % interval {:+.1} to {:+.1}", 100.0 * low, 100.0 * high)
            });
            println!(
                "  same {:<8} {queries:>6} queries: mAP {:.1} % before, {:.1} % after ({:+.1}{interval})",
                association.name(),
                100.0 * before,
                100.0 * after,
                100.0 * difference.value
            );
        }
        println!("{}", self.sentence());
    }

    /// Whether it has helped, by the first association that could be measured: the artist, if there is one.
    fn sentence(&self) -> String {
        let first = &self.compared[0];
        let what = format!("tracks of the same {}", first.association.name());
        let by = format!("mAP {:.1} % instead of {:.1} %", 100.0 * first.after, 100.0 * first.before);
        match first.difference.interval {
            Some([low, _]) if low > 0.0 => format!("It helped: {what} are found better, {by}."),
            Some([_, high]) if high < 0.0 => {
                format!("It did not help: {what} are found worse, {by}. Use the model as it was.")
            }
            _ => format!("Whether it helped cannot be told: {what} are found about as well, {by}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_the_interval_says() {
        let outcome = |interval| Outcome {
            tracks: 9,
            compared: vec![Compared {
                association: Association::Artist,
                before: 0.25,
                after: 0.5,
                difference: Figure { value: 0.25, interval, ..Figure::default() },
                queries: 9,
            }],
        };
        let said = outcome(Some([0.1, 0.3])).sentence();
        assert_eq!(
            said,
            "It helped: tracks of the same artist are found better, mAP 50.0 % instead of 25.0 %."
        );
        assert!(outcome(Some([-0.3, -0.1])).sentence().starts_with("It did not help"));
        assert!(outcome(Some([-0.1, 0.3])).sentence().starts_with("Whether it helped cannot be told"));
        assert!(outcome(None).sentence().starts_with("Whether it helped cannot be told"));
    }
}
