//! `sleeve-train adapt`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array2, Axis};
use serde_json::{Map, Value, json};
use sleeve::engine::EngineOptions;
use sleeve::model::{Metadata, Model};

use super::stop::watched;
use crate::adaptation::graph::adapted;
use crate::adaptation::{Embedded, Options, learn};
use crate::atomic;
use crate::corpus::fresh;
use crate::error::{Error, Result};
use crate::evaluation::cache::{Cache, Filling, Patches};
use crate::evaluation::encoders::Encoder;
use crate::evaluation::encoders::model::ModelEncoder;
use crate::evaluation::recordings::{Recording, Sources};
use crate::evaluation::retrieval::collection::Collection;
use crate::evaluation::retrieval::vectors::recordings;
use crate::export::metadata::check_keys;
use crate::pairs::Association;
use crate::splits::Part;

/// Adapts a model to a collection: a linear map after its embeddings, learnt from editorial metadata.
///
/// For collections too small to train a network on. The map shrinks the directions in which tracks that belong together
/// differ (relevant component analysis), with the associations of the paper weighted as in its multi-task model. The
/// new embeddings have as many values as the old ones and are compared by their cosine. The model's tags, if it has
/// any, are unchanged. `retrieve` measures the result on held-out tracks.
///
/// Once the collection is embedded, this takes about a minute on a CPU.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, with split.parquet.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The model, an .onnx file with its metadata beside it.
    #[arg(long, value_name = "MODEL.onnx")]
    model: PathBuf,
    /// The weight of each association: ASSOCIATION=WEIGHT, separated by commas; 0 for those not named. By default those
    /// of the paper's multi-task model: track=0.1,release=0.15,artist=0.6,label=0.15.
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ',', value_parser = weight)]
    weights: Vec<(Association, f64)>,
    /// This share of the mean variance of an embedding's values is added to the variances. More of it relies less on
    /// the pairs and more on the model.
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().shrinkage)]
    shrinkage: f64,
    /// Parts to learn from.
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "train", value_parser = part)]
    part: Vec<Part>,
    /// Features made by `features`; recordings without features are decoded.
    #[arg(long, value_name = "FEATURES")]
    features: Option<PathBuf>,
    /// The scanned folder of music: for recordings without features.
    #[arg(long, value_name = "MUSIC_DIR")]
    audio: Option<PathBuf>,
    /// Folder where embeddings are kept, for this command and others.
    #[arg(long, value_name = "CACHE")]
    cache: PathBuf,
    /// Folder of the new model; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The stem of its files.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A JSON file of metadata to set, such as `description`, `dataset`, `author` or `license`.
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Replaces files of that name.
    #[arg(long)]
    replace: bool,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn weight(text: &str) -> std::result::Result<(Association, f64), String> {
    let (name, weight) = text.split_once('=').ok_or("a weight is ASSOCIATION=NUMBER")?;
    let association = Association::from_str(name, false)
        .map_err(|_| format!("{name} is not an association: track, release, artist or label"))?;
    Ok((association, weight.parse().map_err(|_| format!("{weight:?} is not a number"))?))
}

fn part(text: &str) -> std::result::Result<Part, String> {
    Part::from_name(text).ok_or_else(|| "a part is train, validation or test".into())
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { folder, model: path, out, name, .. } = arguments;
    if arguments.threads == Some(0) {
        return Err(Error::InvalidArgument("--threads must be at least 1".into()));
    }
    let [graph_file, json_file] = ["onnx", "json"].map(|kind| out.join(format!("{name}.{kind}")));
    if let Some(file) = [&graph_file, &json_file].into_iter().find(|file| file.exists() && !arguments.replace)
    {
        return Err(Error::format(file, "exists already; choose another name, or use --replace"));
    }
    let mut parts = arguments.part.clone();
    parts.sort_unstable_by_key(|part| *part as usize);
    parts.dedup();
    let mut options = Options { shrinkage: arguments.shrinkage, ..Options::default() };
    if !arguments.weights.is_empty() {
        options.weights.clone_from(&arguments.weights);
    }
    let more = arguments.metadata.as_deref().map(document).transpose()?.unwrap_or_default();
    if path.extension().is_none_or(|extension| extension != "onnx") {
        return Err(Error::format(path, "not an .onnx file"));
    }
    let model = Model::open(path)?;
    let engine = EngineOptions::default().threads(1);
    let encoder: Box<dyn Encoder> = Box::new(ModelEncoder::of(&model, None, &engine)?);
    let index = model.output(sleeve::engine::Purpose::Embeddings).expect("the encoder has found it");
    let output = model.outputs()[index].name.clone();

    let stop = watched()?;
    let sources = Sources::open(arguments.audio.as_deref(), arguments.features.as_deref())?;
    fresh::check(folder, &parts)?;
    let collection = Collection::read(folder, &parts)?;
    let found = recordings(&collection.tracks, arguments.audio.as_deref());
    let work: Vec<(Recording, Vec<Patches>)> =
        found.iter().map(|one| (one.clone(), vec![Patches::Overlapped])).collect();
    let cores = || std::thread::available_parallelism().ok().map(usize::from);
    let threads = arguments.threads.or_else(cores).unwrap_or(1);
    let bar = bar(found.len());
    let cache = Cache::new(&arguments.cache);
    let mut encoders = vec![encoder];
    let failures = cache.fill(&mut encoders, &sources, &work, &Filling { threads, stop, bar: &bar })?;
    bar.finish_and_clear();
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted("stopped; the same command continues from there".into()));
    }
    let mut kept = Vec::new();
    for (at, (recording, failure)) in (0..).zip(found.iter().zip(&failures)) {
        match failure {
            Some(reason) => eprintln!("{}: {reason}; left out", recording.name),
            None => kept.push(at),
        }
    }
    let collection = collection.select(&kept);
    let embedded = embedded(&cache, encoders[0].as_ref(), &collection)?;
    let adaptation = learn(&collection, &embedded, &options)?;

    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let bytes = adapted(&bytes, &output, &adaptation).map_err(|reason| Error::format(path, reason))?;
    let document = metadata(&model, name, &output, more);
    let json = Metadata::from_document(document)?.to_json();
    Model::from_bytes(name, bytes.clone(), Some(&json))?.engine(&engine)?;
    atomic::write(&graph_file, &bytes)?;
    atomic::write(&json_file, json.as_bytes())?;
    println!("learnt from {} tracks; with a partner:", collection.len());
    for (association, anchors) in &adaptation.anchors {
        println!("  {:8} {anchors}", association.name());
    }
    println!("{}\n{}", graph_file.display(), json_file.display());
    Ok(())
}

/// The means over the patches of each track, and how the patches vary around them.
fn embedded(cache: &Cache, encoder: &dyn Encoder, collection: &Collection) -> Result<Embedded> {
    let dimensions = encoder.dimensions();
    let mut means = Array2::zeros((collection.len(), dimensions));
    let mut within = Array2::zeros((dimensions, dimensions));
    for (at, track) in collection.tracks.iter().enumerate() {
        let patches = cache.read(encoder, track.content, Patches::Overlapped)?.mapv(f64::from);
        let Some(mean) = patches.mean_axis(Axis(0)) else { continue };
        let rows = patches.nrows() as f64;
        let centred = patches - &mean;
        within.scaled_add(1.0 / rows, &centred.t().dot(&centred));
        means.row_mut(at).assign(&mean);
    }
    within /= f64::max(collection.len() as f64, 1.0);
    Ok(Embedded { means, within })
}

/// The model's metadata with the adapted embeddings.
fn metadata(model: &Model, name: &str, output: &str, more: Map<String, Value>) -> Map<String, Value> {
    let mut document = model.metadata().document().clone();
    document.insert("name".into(), name.into());
    document.insert("model_types".into(), json!(["onnx"]));
    let outputs =
        document.get_mut("schema").and_then(|schema| schema.get_mut("outputs")).and_then(Value::as_array_mut);
    for one in outputs.into_iter().flatten() {
        if one["name"] == output {
            one["description"] = json!(
                "embeddings behind a linear map that was learnt from editorial metadata; compared by cosine"
            );
        }
    }
    document.extend(more);
    document
}

fn document(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let document = serde_json::from_str(&text)
        .map_err(|error| Error::format(path, format!("not a JSON object: {error}")))?;
    check_keys(&document).map_err(|reason| Error::format(path, reason))?;
    Ok(document)
}

fn bar(length: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "recordings [{bar:30}] {pos} of {len}, {elapsed} elapsed, {eta} left";
    ProgressBar::new(length as u64)
        .with_style(ProgressStyle::with_template(template).expect("a valid template"))
}
