//! `sleeve-train retrieve`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use ndarray::Array2;
use sleeve::engine::EngineOptions;

use crate::error::{Error, Result};
use crate::evaluation::cache::Cache;
use crate::evaluation::encoders::{Encoder, open};
use crate::evaluation::recordings::{Recording, Sources};
use crate::evaluation::results::{Results, Source};
use crate::evaluation::retrieval::alteration::{Alteration, available};
use crate::evaluation::retrieval::bootstrap::Bootstrap;
use crate::evaluation::retrieval::collection::Collection;
use crate::evaluation::retrieval::confounds::Altered;
use crate::evaluation::retrieval::ranking::{normalise, stack};
use crate::evaluation::retrieval::vectors::{Heard, Listening, hear, recordings};
use crate::evaluation::retrieval::{Entry, Fold, Options, confounds, evaluate, table};
use crate::splits::Part;

/// Measures a model by the neighbours of recordings; no tags are needed.
///
/// Every track of the held-out parts is a query. All others are ranked by the cosine of their vectors (the mean of the
/// embeddings of half-overlapped patches). By artist, a track is relevant that shares an artist and no release; tracks
/// of the same release are dropped from the ranking. By release and by label, tracks are relevant as pairs are drawn
/// (section 3 of the paper): a release in common; a label and no artist in common. Near-duplicates (never.tsv beside
/// the splits, and files with the same content) are dropped from every ranking, and tracks with a near-duplicate in
/// another part are left out.
///
/// The results are mean average precision and precision at 1, 5 and 10, the numbers of queries and artists, the
/// expectation for a random order, and 95 % confidence intervals by bootstrap. The bootstrap draws whole artists
/// (joined if they record together), not tracks. Ties count by their expectation over all orders. Queries without a
/// relevant track do not count.
///
/// With several data sets, such as the folds of a cross-validation (`split --fold`), each is searched separately, and
/// all their queries count together. In an encoder's name, {} stands for the number of the fold, from 1. Tables print k
/// for it.
///
/// Embeddings are kept in the cache, so that a stopped run continues from there.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, with split.parquet; or of each fold.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// What embeds the recordings; may be repeated. A model's file or stem, the name of a bundled model
    /// (msd-musicnn-1), MODEL@OUTPUT for another output, mel-statistics (mean and standard deviation of the bands),
    /// vggish=FILE.onnx (made by models/convert_vggish.py), random:SEED for an untrained EfficientNet-B0, or embeddings
    /// that another program has computed: npy=DIR (a NumPy array for each recording, [patches, values] or [values]) or
    /// parquet=FILE (columns path and embedding).
    #[arg(long = "encoder", value_name = "ENCODER", required = true)]
    encoders: Vec<String>,
    /// Also measures a stack of encoders: their names in the table, joined with `+`; may be repeated. Their vectors are
    /// normalised to length 1 and put side by side.
    #[arg(long = "stack", value_name = "NAME+NAME")]
    stacks: Vec<String>,
    /// Features made by `features`; recordings without features are decoded.
    #[arg(long, value_name = "FEATURES")]
    features: Option<PathBuf>,
    /// The scanned folder of music: for recordings without features, for VGGish, and for --confounds.
    #[arg(long, value_name = "MUSIC_DIR")]
    audio: Option<PathBuf>,
    /// Parts whose tracks are queries and are searched: test, validation, or validation,test.
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "test", value_parser = part)]
    part: Vec<Part>,
    /// Compares all others with this encoder or stack, by its name in the table: the differences, with intervals of a
    /// paired comparison.
    #[arg(long, value_name = "NAME")]
    against: Option<String>,
    /// Also queries with altered copies of the recordings: 6 and 12 dB quieter, and MP3, Vorbis and Opus at low bit
    /// rates, if lame, oggenc, opusenc or ffmpeg are installed. Needs --audio.
    #[arg(long, requires = "audio")]
    confounds: bool,
    /// The name of the collection in results; by default the folder's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder for the results, one JSON file per encoder or stack: RESULTS/retrieval/NAME/ENCODER.json.
    #[arg(long, value_name = "RESULTS")]
    out: Option<PathBuf>,
    /// Folder where embeddings are kept, for this command and others.
    #[arg(long, value_name = "CACHE")]
    cache: PathBuf,
    /// Resamples of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = Bootstrap::default().resamples)]
    resamples: usize,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn part(text: &str) -> Result<Part, String> {
    Part::from_name(text).ok_or_else(|| "a part is train, validation or test".into())
}

/// Set by Ctrl-C; the second time ends the program at once.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.threads == Some(0) {
        return Err(Error::InvalidArgument("--threads must be at least 1".into()));
    }
    let cores = || std::thread::available_parallelism().ok().map(usize::from);
    let threads = arguments.threads.or_else(cores).unwrap_or(1);
    let mut parts = arguments.part.clone();
    parts.sort_unstable_by_key(|part| *part as usize);
    parts.dedup();
    let sources = Sources::open(arguments.audio.as_deref(), arguments.features.as_deref())?;
    let names = names(&arguments.encoders, arguments.folders.len())?;
    let stacks = stacks(&arguments.stacks, &names)?;
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    handler.map_err(|error| Error::InvalidArgument(format!("cannot handle Ctrl-C: {error}")))?;

    let cache = Cache::new(&arguments.cache);
    let mut unheard = 0;
    let mut folds = Vec::new();
    for (number, folder) in (1..).zip(&arguments.folders) {
        let collection = Collection::read(folder, &parts)?;
        let mut encoders = encoders(&arguments.encoders, number)?;
        let found = recordings(&collection.tracks, arguments.audio.as_deref());
        let bar = bar(found.len(), "recordings");
        let listening = Listening { sources: &sources, cache: &cache, threads, stop: &STOP, bar: &bar };
        let heard = hear(&mut encoders, &found, &listening)?;
        bar.finish_and_clear();
        let kept = heard.places();
        tell_failures(&found, &heard);
        if kept.is_empty() {
            return Err(Error::Nothing {
                path: folder.clone(),
                reason: "no recording could be decoded; the reasons are above".into(),
            });
        }
        unheard += collection.len() - kept.len();
        let (collection, vectors) = (collection.select(&kept), heard.select(&kept));
        folds.push(Fold { collection, entries: entries(&names, &encoders, &stacks, &vectors) });
    }
    let options = Options {
        dataset: arguments.name.clone().unwrap_or_else(|| name_of(&arguments.folders[0])),
        parts,
        bootstrap: Bootstrap { resamples: arguments.resamples, seed: arguments.seed },
        against: arguments.against.clone(),
    };
    let mut all = evaluate(&folds, &options)?;
    if unheard > 0 {
        let remark = format!("{unheard} recordings could not be decoded and were left out");
        for results in &mut all {
            results.counts.insert("unheard".into(), unheard as u64);
            results.remarks.push(remark.clone());
        }
    }
    if arguments.confounds {
        let (alterations, missing) = available();
        all.iter_mut().for_each(|results| results.remarks.extend(missing.iter().cloned()));
        for alteration in &alterations {
            let mut heard = Vec::new();
            for (number, fold) in (1..).zip(&folds) {
                let mut encoders = encoders(&arguments.encoders, number)?;
                let found = recordings(&fold.collection.tracks, arguments.audio.as_deref());
                let bar = bar(found.len(), alteration.name);
                let listening =
                    Listening { sources: &sources, cache: &cache, threads, stop: &STOP, bar: &bar };
                heard.push(confounds::hear_altered(&mut encoders, &found, alteration, &listening)?);
                bar.finish_and_clear();
                tell_failures(&found, heard.last().expect("just pushed"));
            }
            add_confounds(&mut all, alteration, &folds, &stacks, &heard, &options);
        }
    }
    print!("{}", table::text(&all));
    if let Some(out) = &arguments.out {
        for results in &all {
            println!("{}", results.save(out)?.display());
        }
    }
    Ok(())
}

/// The placeholder for the number of a fold in an encoder's name.
const FOLD: &str = "{}";

/// The encoders of one fold.
fn encoders(names: &[String], fold: usize) -> Result<Vec<Box<dyn Encoder>>> {
    let names: Vec<String> = names.iter().map(|name| name.replace(FOLD, &fold.to_string())).collect();
    open::open_all(&names, &EngineOptions::default().threads(1))
}

/// The names of the encoders in tables, with k in place of what differs between folds.
fn names(given: &[String], folds: usize) -> Result<Vec<String>> {
    let of_fold = |fold: usize| -> Result<Vec<String>> {
        Ok(encoders(given, fold)?.iter().map(|encoder| encoder.name().to_owned()).collect())
    };
    let first = of_fold(1)?;
    if folds > 1 {
        return Ok(first.iter().zip(of_fold(2)?).map(|(one, other)| common_name(one, &other)).collect());
    }
    match given.iter().find(|given| given.contains(FOLD)) {
        Some(given) => {
            let reason =
                format!("--encoder {given}: {FOLD} is the number of a fold, but there is only one folder");
            Err(Error::InvalidArgument(reason))
        }
        None => Ok(first),
    }
}

/// Two names as one, with k in place of what differs: `model-1` and `model-2` as `model-k`.
fn common_name(one: &str, other: &str) -> String {
    if one == other {
        return one.to_owned();
    }
    let start: String = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    let rest = &one[start.len()..];
    let ends = rest.chars().rev().zip(other[start.len()..].chars().rev());
    let end: String = ends.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    format!("{start}k{}", end.chars().rev().collect::<String>())
}

/// The stacks, as indices of the encoders.
fn stacks(wanted: &[String], names: &[String]) -> Result<Vec<Vec<usize>>> {
    let place = |stack: &str, name: &str| {
        names.iter().position(|other| other == name).ok_or_else(|| {
            Error::InvalidArgument(format!("--stack {stack}: {name} is not one of {}", names.join(", ")))
        })
    };
    let mut all = Vec::new();
    for stack in wanted {
        let places: Vec<usize> = stack.split('+').map(|name| place(stack, name)).collect::<Result<_>>()?;
        if places.len() < 2 || (1..places.len()).any(|at| places[..at].contains(&places[at])) {
            let reason = format!("--stack {stack}: a stack needs two or more encoders, each named once");
            return Err(Error::InvalidArgument(reason));
        }
        all.push(places);
    }
    Ok(all)
}

/// Each encoder, then each stack.
fn entries(
    names: &[String],
    encoders: &[Box<dyn Encoder>],
    stacks: &[Vec<usize>],
    vectors: &[Array2<f32>],
) -> Vec<Entry> {
    let sources: Vec<Source> = names
        .iter()
        .zip(encoders)
        .map(|(name, encoder)| Source {
            name: name.clone(),
            identity: encoder.identity(),
            dimensions: encoder.dimensions(),
        })
        .collect();
    let alone = sources.iter().zip(vectors);
    let mut entries: Vec<Entry> = alone
        .map(|(source, vectors)| Entry { sources: vec![source.clone()], vectors: vectors.clone() })
        .collect();
    entries.extend(stacks.iter().map(|places| Entry {
        sources: places.iter().map(|&place| sources[place].clone()).collect(),
        vectors: stacked(places, vectors),
    }));
    entries
}

fn stacked(places: &[usize], vectors: &[Array2<f32>]) -> Array2<f32> {
    let views: Vec<_> = places.iter().map(|&place| vectors[place].view()).collect();
    stack(&views)
}

/// Adds the figures of one alteration to each of the results, which are in the order of the entries.
fn add_confounds(
    all: &mut [Results],
    alteration: &Alteration,
    folds: &[Fold],
    stacks: &[Vec<usize>],
    heard: &[Heard],
    options: &Options,
) {
    let kept: Vec<Vec<u32>> = heard.iter().map(Heard::places).collect();
    let tracks: usize = folds.iter().map(|fold| fold.collection.len()).sum();
    let lost = tracks - kept.iter().map(Vec::len).sum::<usize>();
    if lost > 0 {
        let remark = format!("{}: {lost} recordings could not be altered and were left out", alteration.name);
        all.iter_mut().for_each(|results| results.remarks.push(remark.clone()));
    }
    if lost == tracks {
        return;
    }
    for (at, results) in all.iter_mut().enumerate() {
        let altered = folds.iter().zip(heard).zip(&kept).filter(|(_, kept)| !kept.is_empty());
        let altered: Vec<Altered> = altered
            .map(|((fold, heard), kept)| {
                let vectors = heard.select(kept);
                let mut copies = match at.checked_sub(vectors.len()) {
                    None => vectors[at].clone(),
                    Some(stack) => stacked(&stacks[stack], &vectors),
                };
                normalise(&mut copies);
                let places: Vec<usize> = kept.iter().map(|&place| place as usize).collect();
                let originals = fold.entries[at].vectors.select(ndarray::Axis(0), &places);
                Altered { collection: fold.collection.select(kept), copies, originals }
            })
            .collect();
        results.metrics.extend(confounds::figures(&altered, alteration.name, &options.bootstrap));
    }
}

fn tell_failures(recordings: &[Recording], heard: &Heard) {
    let failed =
        recordings.iter().zip(&heard.failures).filter_map(|(one, failure)| Some((one, failure.as_ref()?)));
    let failed: Vec<_> = failed.collect();
    for (recording, reason) in failed.iter().take(20) {
        eprintln!("{}: {reason}", recording.name);
    }
    if failed.len() > 20 {
        eprintln!("... and {} more", failed.len() - 20);
    }
}

fn bar(length: usize, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{what} [{{bar:30}}] {{pos}} of {{len}}, {{elapsed}} elapsed, {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("a valid template");
    ProgressBar::new(length as u64).with_style(style)
}

/// The last component of a path that has a name.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "collection".into(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_a_k() {
        assert_eq!(common_name("model-1", "model-2"), "model-k");
        assert_eq!(common_name("fold1-swa@track", "fold2-swa@track"), "foldk-swa@track");
        assert_eq!(common_name("swa", "swa"), "swa");
        assert_eq!(common_name("a1", "a11"), "a1k");
        assert_eq!(common_name("é1x", "é2x"), "ékx");
    }
}
