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
use crate::evaluation::retrieval::ranking::{normalise, stack};
use crate::evaluation::retrieval::vectors::{Heard, Listening, hear, recordings};
use crate::evaluation::retrieval::{Entry, Options, confounds, evaluate, table};
use crate::splits::Part;

/// Measures by the neighbours of recordings what a model is worth, where there are no tags.
///
/// Every track of the held-out parts asks for those like it, and all others are ranked by the cosine of their vectors (the
/// mean of the embeddings of half-overlapped patches). By artist, a track is found that shares an artist and no release;
/// tracks of the same release are dropped from the ranking. By release and by label, as pairs are drawn (section 2.2 of
/// the paper): a release in common; a label and no artist. Near-duplicates (never.tsv beside the splits, and files of the
/// same content) are dropped from every ranking, and tracks with a near-duplicate in another part are left out.
///
/// Printed and written are mean average precision and precision at 1, 5 and 10, the numbers of queries and artists, what a
/// random order would give, and 95 % confidence intervals by bootstrap, in which whole artists (joined where they record
/// together) are drawn, not tracks. Tracks that are equally near count by expectation over their orders. Queries to which
/// nothing is relevant do not count.
///
/// Embeddings are kept in the cache, so that a run that was stopped goes on where it was.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, with split.parquet.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What embeds the recordings; may be repeated. A model's file or stem, the name of one inside the library
    /// (msd-musicnn-1), MODEL@OUTPUT for another output, mel-statistics (mean and standard deviation of the bands),
    /// vggish=FILE.onnx (made by models/convert_vggish.py), or random:SEED for an untrained EfficientNet-B0.
    #[arg(long = "encoder", value_name = "ENCODER", required = true)]
    encoders: Vec<String>,
    /// Also a stack of some of them, by the names that the table prints, joined with `+`; may be repeated. Their vectors,
    /// each of length 1, side by side.
    #[arg(long = "stack", value_name = "NAME+NAME")]
    stacks: Vec<String>,
    /// Features made by `features`; without them, recordings are decoded.
    #[arg(long, value_name = "FEATURES")]
    features: Option<PathBuf>,
    /// Folder of music that was scanned: for recordings without features, for VGGish, and for --confounds.
    #[arg(long, value_name = "MUSIC_DIR")]
    audio: Option<PathBuf>,
    /// Parts whose tracks ask and are searched: test, validation, or validation,test.
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "test", value_parser = part)]
    part: Vec<Part>,
    /// Compares all others with this encoder or stack, by the name that the table prints: the differences, with the
    /// intervals of paired comparison.
    #[arg(long, value_name = "NAME")]
    against: Option<String>,
    /// Also asks with altered copies of the recordings: 6 and 12 dB quieter, and through MP3, Vorbis and Opus at low
    /// rates, where lame, oggenc, opusenc or ffmpeg are installed. Needs --audio.
    #[arg(long, requires = "audio")]
    confounds: bool,
    /// What the collection is called in results; the folder's name unless given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder that gets the results, one JSON file an encoder or stack: RESULTS/retrieval/NAME/ENCODER.json.
    #[arg(long, value_name = "RESULTS")]
    out: Option<PathBuf>,
    /// Folder where embeddings are kept, for this command and others.
    #[arg(long, value_name = "CACHE")]
    cache: PathBuf,
    /// Draws of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = Bootstrap::default().resamples)]
    resamples: usize,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads; as many as there are cores unless given.
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
    let collection = Collection::read(&arguments.folder, &parts)?;
    let mut encoders =
        open::open_all(&arguments.encoders, &EngineOptions { threads: 1, ..EngineOptions::default() })?;
    let stacks = stacks(&arguments.stacks, &encoders)?;
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    handler.map_err(|error| Error::InvalidArgument(format!("Ctrl-C cannot be watched for: {error}")))?;

    let cache = Cache::new(&arguments.cache);
    let found = recordings(&collection.tracks, arguments.audio.as_deref());
    let bar = bar(found.len(), "recordings");
    let listening = Listening { sources: &sources, cache: &cache, threads, stop: &STOP, bar: &bar };
    let heard = hear(&mut encoders, &found, &listening)?;
    bar.finish_and_clear();
    let kept = heard.places();
    tell_failures(&found, &heard);
    if kept.is_empty() {
        return Err(Error::Nothing {
            path: arguments.folder.clone(),
            reason: "none of its recordings could be heard; what is wrong with them is said above".into(),
        });
    }
    let unheard = collection.len() - kept.len();
    let (collection, vectors) = (collection.select(&kept), heard.select(&kept));
    let found: Vec<Recording> = kept.iter().map(|&at| found[at as usize].clone()).collect();
    let entries = entries(&encoders, &stacks, &vectors);
    let options = Options {
        dataset: arguments.name.clone().unwrap_or_else(|| name_of(&arguments.folder)),
        parts,
        bootstrap: Bootstrap { resamples: arguments.resamples, seed: arguments.seed },
        against: arguments.against.clone(),
    };
    let mut all = evaluate(&collection, &entries, &options)?;
    if unheard > 0 {
        let remark = format!("{unheard} recordings could not be heard and were left out");
        for results in &mut all {
            results.counts.insert("unheard".into(), unheard as u64);
            results.remarks.push(remark.clone());
        }
    }
    if arguments.confounds {
        let (alterations, missing) = available();
        all.iter_mut().for_each(|results| results.remarks.extend(missing.iter().cloned()));
        for alteration in &alterations {
            let bar = self::bar(found.len(), alteration.name);
            let listening = Listening { bar: &bar, ..listening };
            let heard = confounds::hear_altered(&mut encoders, &found, alteration, &listening)?;
            bar.finish_and_clear();
            add_confounds(&mut all, alteration, &collection, &entries, &stacks, &heard, &options);
            tell_failures(&found, &heard);
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

/// The stacks, as places among the encoders.
fn stacks(wanted: &[String], encoders: &[Box<dyn Encoder>]) -> Result<Vec<Vec<usize>>> {
    let place = |stack: &str, name: &str| {
        encoders.iter().position(|encoder| encoder.name() == name).ok_or_else(|| {
            let names: Vec<&str> = encoders.iter().map(|encoder| encoder.name()).collect();
            Error::InvalidArgument(format!("--stack {stack}: {name} is none of {}", names.join(", ")))
        })
    };
    let mut all = Vec::new();
    for stack in wanted {
        let places: Vec<usize> = stack.split('+').map(|name| place(stack, name)).collect::<Result<_>>()?;
        if places.len() < 2 || (1..places.len()).any(|at| places[..at].contains(&places[at])) {
            let reason = format!("--stack {stack}: a stack is of two encoders or more, each named once");
            return Err(Error::InvalidArgument(reason));
        }
        all.push(places);
    }
    Ok(all)
}

/// Each encoder, then each stack.
fn entries(encoders: &[Box<dyn Encoder>], stacks: &[Vec<usize>], vectors: &[Array2<f32>]) -> Vec<Entry> {
    let sources: Vec<Source> = encoders
        .iter()
        .map(|encoder| Source {
            name: encoder.name().to_owned(),
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

/// Puts the figures of one alteration into each of the results, which are in the order of the entries.
fn add_confounds(
    all: &mut [Results],
    alteration: &Alteration,
    collection: &Collection,
    entries: &[Entry],
    stacks: &[Vec<usize>],
    heard: &Heard,
    options: &Options,
) {
    let kept = heard.places();
    let lost = collection.len() - kept.len();
    if lost > 0 {
        let remark =
            format!("{}: {lost} recordings could not be altered, and were left out there", alteration.name);
        all.iter_mut().for_each(|results| results.remarks.push(remark.clone()));
    }
    if kept.is_empty() {
        return;
    }
    let collection = collection.select(&kept);
    let altered = heard.select(&kept);
    let places: Vec<usize> = kept.iter().map(|&place| place as usize).collect();
    let alone = altered.len();
    for (at, (results, entry)) in all.iter_mut().zip(entries).enumerate() {
        let mut vectors = match at.checked_sub(alone) {
            None => altered[at].clone(),
            Some(stack) => stacked(&stacks[stack], &altered),
        };
        normalise(&mut vectors);
        let originals = entry.vectors.select(ndarray::Axis(0), &places);
        results.metrics.extend(confounds::figures(
            &collection,
            alteration.name,
            &vectors,
            &originals,
            &options.bootstrap,
        ));
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
    let template = format!("{what} [{{bar:30}}] {{pos}} of {{len}}, {{elapsed}} gone, {{eta}} to go");
    let style = ProgressStyle::with_template(&template).expect("a valid template");
    ProgressBar::new(length as u64).with_style(style)
}

/// The last part of a path that has a name.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "collection".into(), |name| name.to_string_lossy().into_owned())
}
