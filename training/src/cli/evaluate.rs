//! `sleeve-train evaluate`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sleeve::engine::{Device, EngineOptions};

use crate::error::{Error, Result};
use crate::evaluation::cache::Cache;
use crate::evaluation::datasets::published::compared;
use crate::evaluation::datasets::{Dataset, Known, Labelling};
use crate::evaluation::downstream::head::{self, About};
use crate::evaluation::downstream::run::{Evaluation, Listener, Outcome};
use crate::evaluation::downstream::stack::combinations;
use crate::evaluation::downstream::{Crops, Protocol};
use crate::evaluation::encoders::open::open_all;
use crate::evaluation::metrics::Bootstrap;
use crate::evaluation::recordings::Sources;

/// Measures a model by downstream tasks: a small network learns tags or classes from its frozen embeddings
/// (sections 4.3 and 4.4 of the paper; stacks: 4.5).
///
/// The protocol is the paper's. A head with one hidden layer of 512 learns from the embedding of one random patch
/// of each track per epoch (Adam, learning rate 0.001, weight decay 1e-5, halved when the validation loss has not
/// fallen for 5 epochs, 30 epochs). The weights with the lowest validation loss are tested. For validation and
/// test, the activations of half-overlapped patches are averaged over a track. The results list every setting and
/// every deviation from the paper.
///
/// Data sets, read in the form in which their authors distribute them; nothing is downloaded:
///
///   mtg-jamendo-{genre,instrument,moodtheme,top50}  --metadata data/splits/split-0, audio as 14/214.mp3 or 14/214.low.mp3
///   magnatagatune  --metadata annotations_final.csv, or a folder with it or with index_mtt.tsv and *_gt_mtt.tsv
///   fma-small      --metadata fma_metadata (tracks.csv), audio as 000/000002.mp3
///   gtzan          --metadata a folder with {train,valid,test}_filtered.txt, audio as blues/blues.00000.wav
///   openmic-2018   --metadata openmic-2018 (the whole folder), audio as 000/000046_3840.ogg
///   emomusic       --metadata annotations (static_annotations.csv, songs_info.csv), audio as 2.mp3
///   deam           --metadata the folder of static_annotations_averaged_songs_1_2000.csv, audio as 2.mp3
///   csv            --metadata FILE.csv with the columns path, split (train, validation, test) and labels (between `|`);
///                  fold in place of split: each fold is tested once; target:NAME in place of labels: numbers (R2)
///
/// Several --model make one stack: their embeddings side by side. With --all-combinations, every stack of two to
/// five of them is evaluated (Table 4).
///
/// Results are JSON files in OUT/downstream/<data set>/. After Ctrl-C, the same command continues: embeddings are
/// kept in the cache, and what already has results with the same settings is not evaluated again.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The data set.
    #[arg(long, value_name = "NAME", value_parser = known)]
    dataset: Known,
    /// Its metadata: a file or a folder.
    #[arg(long, value_name = "PATH")]
    metadata: PathBuf,
    /// The folder of its audio.
    #[arg(long, value_name = "DIR", required_unless_present = "features")]
    audio: Option<PathBuf>,
    /// Features made by `features` from the folder of audio; recordings without features are decoded.
    #[arg(long, value_name = "DIR")]
    features: Option<PathBuf>,
    /// A model: a file (.onnx, .pt), its stem, or a bundled model's name (msd-musicnn-1). MODEL@OUTPUT for another
    /// output than its embeddings; random:SEED for an untrained EfficientNet-B0; npy=DIR or parquet=FILE for embeddings
    /// that another program has computed (as in `retrieve`). May be repeated; --encoder is the same.
    #[arg(long = "model", alias = "encoder", value_name = "MODEL", required = true)]
    models: Vec<String>,
    /// Evaluates every stack of two to five of the models, instead of one stack of all.
    #[arg(long)]
    all_combinations: bool,
    /// Folder where embeddings are kept; several evaluations may share it.
    #[arg(long, value_name = "DIR")]
    cache: PathBuf,
    /// Folder of the results.
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// The patches that a head learns from: random ones, or (a deviation from the paper) the half-overlapped ones.
    #[arg(long, value_enum, default_value_t = Kind::Random)]
    crops: Kind,
    /// Random patches of each track that are encoded for each seed; the epochs use them in turn. By default one per
    /// epoch, the same as encoding on the fly.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    stored_crops: Option<u32>,
    /// Runs, each with its own initial weights, order and crops. Results have their mean and the figure of each.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// The first run's seed; the others use the numbers that follow.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Epochs.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Units of the hidden layer; 0 makes a linear probe.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(0..=65536))]
    hidden: u32,
    /// The initial learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    learning_rate: f64,
    /// The share of the weights that is added to their gradients.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-5)]
    weight_decay: f64,
    /// Tracks per step; the paper does not give a number.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Each track of a CSV file has exactly one label. Without this option or --multi-label, single-label is used if
    /// every track has exactly one.
    #[arg(long, conflicts_with = "multi_label")]
    single_label: bool,
    /// Tracks of a CSV file may have any number of labels.
    #[arg(long)]
    multi_label: bool,
    /// The minimum share of recordings that must exist and be readable; missing ones are listed in OUT/downstream/<data
    /// set>/missing.tsv.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    least_share: f64,
    /// Resamples of the test tracks for the 95 % intervals; 0 for no intervals.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bootstrap: u32,
    /// Saves the head with the lowest validation loss as NAME.onnx and NAME.json, for `extract --head`. Not for a
    /// stack.
    #[arg(long, value_name = "NAME.onnx", conflicts_with = "all_combinations")]
    save_head: Option<PathBuf>,
    /// Replaces results that have other settings, and a head of the same name.
    #[arg(long)]
    replace: bool,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Where the models run: auto, cpu, cuda or cuda:N. Heads learn on the CPU.
    #[arg(long, default_value = "auto")]
    device: Device,
}

/// The kinds of crops.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Random,
    Cached,
}

fn known(name: &str) -> std::result::Result<Known, String> {
    let found = Known::ALL.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, known)| known).ok_or_else(|| {
        let names: Vec<&str> = Known::ALL.iter().map(|(name, _)| *name).collect();
        format!("known: {}", names.join(", "))
    })
}

/// Set by Ctrl-C; the second time ends the program at once.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn run(arguments: &Arguments) -> Result<()> {
    let protocol = protocol(arguments)?;
    let stacked = arguments.models.len();
    if arguments.all_combinations && !(2..=5).contains(&stacked) {
        let reason = format!("--all-combinations takes two to five --model, not {stacked}");
        return Err(Error::InvalidArgument(reason));
    }
    if arguments.save_head.is_some() && stacked > 1 {
        let reason = "--save-head takes one --model: a head reads the embeddings of one, not of a stack";
        return Err(Error::InvalidArgument(reason.into()));
    }
    let mut heads = arguments.save_head.iter().flat_map(|path| head::files(path));
    if let Some(path) = heads.find(|path| path.exists() && !arguments.replace) {
        return Err(Error::format(path, "exists already; choose another name, or use --replace"));
    }
    let labelling = match (arguments.single_label, arguments.multi_label) {
        (false, false) => None,
        (single, _) if arguments.dataset == Known::Csv => {
            Some(if single { Labelling::Single } else { Labelling::Multi })
        }
        _ => {
            let reason =
                "--single-label and --multi-label are for csv only; for other data sets this is known";
            return Err(Error::InvalidArgument(reason.into()));
        }
    };
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    handler.map_err(|error| Error::InvalidArgument(format!("cannot handle Ctrl-C: {error}")))?;

    let dataset = arguments.dataset.read(&arguments.metadata, labelling)?;
    let [training, validation, test] = dataset.sizes();
    println!(
        "{}: {training} tracks for training, {validation} for validation, {test} for test; {} classes, {}",
        dataset.name,
        dataset.classes.len(),
        dataset.labelling.name()
    );
    if dataset.folds > 0 {
        println!("{} folds, each of which is tested once; the numbers are those of the first", dataset.folds);
    }
    for line in compared(arguments.dataset, &dataset) {
        println!("  {line}");
    }
    let sources = Sources::open(arguments.audio.as_deref(), arguments.features.as_deref())?;
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.map_or(all, |threads| threads as usize);
    // The pool that reads embeddings and resamples tracks.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|error| Error::InvalidArgument(format!("cannot start {threads} threads: {error}")))?;
    let options = EngineOptions::default().device(arguments.device.clone()).threads(threads);
    let mut encoders = open_all(&arguments.models, &options)?;
    if arguments.save_head.is_some() && encoders[0].gives_rows() {
        let reason =
            "--save-head is for models on MusiCNN's frames: `extract --head` gives a head no other rows";
        return Err(Error::InvalidArgument(reason.into()));
    }
    let stacks = match arguments.all_combinations {
        true => combinations(stacked, stacked),
        false => vec![(0..stacked).collect()],
    };
    let cache = Cache::new(&arguments.cache);
    let evaluation = Evaluation {
        dataset: &dataset,
        sources: &sources,
        cache: &cache,
        protocol: &protocol,
        bootstrap: Bootstrap { resamples: arguments.bootstrap as usize, ..Bootstrap::default() },
        least_share: arguments.least_share,
        out: &arguments.out,
        replace: arguments.replace,
        // Results do not keep the head.
        again: arguments.save_head.is_some(),
        threads,
        stop: &STOP,
    };
    let outcomes = evaluation.run(&mut encoders, &stacks, &mut Printer)?;
    for outcome in &outcomes {
        print(outcome);
    }
    if let (Some(path), [outcome]) = (&arguments.save_head, &outcomes[..]) {
        save(path, outcome, &dataset, encoders[0].frames())?;
    }
    Ok(())
}

fn protocol(arguments: &Arguments) -> Result<Protocol> {
    let crops = match (arguments.crops, arguments.stored_crops) {
        (Kind::Random, count) => Crops::Random(count.unwrap_or(arguments.epochs) as usize),
        (Kind::Cached, None) => Crops::Cached,
        (Kind::Cached, Some(_)) => {
            return Err(Error::InvalidArgument("--stored-crops is for --crops random".into()));
        }
    };
    if !(0.0..=1.0).contains(&arguments.least_share) {
        let reason = format!("--least-share is between 0 and 1, not {}", arguments.least_share);
        return Err(Error::InvalidArgument(reason));
    }
    if arguments.seed.checked_add(arguments.seeds.into()).is_none() {
        return Err(Error::InvalidArgument("--seed leaves no room for the seeds after it".into()));
    }
    let (rate, decay) = (arguments.learning_rate, arguments.weight_decay);
    if !(rate.is_finite() && rate > 0.0 && decay.is_finite() && decay >= 0.0) {
        let reason =
            format!("--learning-rate is above 0 and --weight-decay 0 or more, not {rate} and {decay}");
        return Err(Error::InvalidArgument(reason));
    }
    Ok(Protocol {
        crops,
        hidden: arguments.hidden as usize,
        learning_rate: rate,
        weight_decay: decay,
        epochs: arguments.epochs as usize,
        batch: arguments.batch as usize,
        seed: arguments.seed,
        seeds: arguments.seeds as usize,
        ..Protocol::default()
    })
}

/// A line of figures in percent: the mean over the seeds, its interval, and the spread of the seeds.
fn print(outcome: &Outcome) {
    let mut line = outcome.results.name();
    for (name, figure) in &outcome.results.metrics {
        line.push_str(&format!("  {name} {:.2}", 100.0 * figure.value));
        if let Some([low, high]) = figure.interval {
            line.push_str(&format!(" [{:.2}, {:.2}]", 100.0 * low, 100.0 * high));
        }
        if figure.seeds.len() > 1 {
            line.push_str(&format!(" ±{:.2} over {} seeds", 100.0 * figure.spread(), figure.seeds.len()));
        }
    }
    println!("{line}\n  {}", outcome.path.display());
}

fn save(path: &Path, outcome: &Outcome, dataset: &Dataset, frames: usize) -> Result<()> {
    let Some(best) = &outcome.best else { return Ok(()) };
    // The figures of the run that the head is from.
    let run = best.seed - outcome.results.protocol["seeds"][0].as_u64().unwrap_or(0);
    let figures = outcome.results.metrics.iter();
    let metrics: Vec<(&str, f64)> = figures
        .map(|(name, figure)| {
            (name.as_str(), figure.seeds.get(run as usize).copied().unwrap_or(figure.value))
        })
        .collect();
    let about = About {
        classes: &dataset.classes,
        dataset: (&dataset.name, dataset.tracks.len()),
        metrics: &metrics,
        model: &outcome.results.encoders[0].name,
        frames,
    };
    for file in head::save(&best.head, path, &about)? {
        println!("{}", file.display());
    }
    Ok(())
}

struct Printer;

impl Listener for Printer {
    fn note(&mut self, text: &str) {
        println!("{text}");
    }

    fn bar(&mut self, what: &str, steps: usize) -> ProgressBar {
        let template = format!("{what} [{{bar:30}}] {{pos}} of {{len}}, {{elapsed}} elapsed, {{eta}} left");
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        bar.with_style(ProgressStyle::with_template(&template).expect("a valid template"))
    }
}
