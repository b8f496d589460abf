//! `sleeve-train adapt`.

mod base;
mod library;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::stop::watched;
use crate::adaptation::prepare::Changes;
use crate::adaptation::{Options, learn};
use crate::corpus::fresh;
use crate::error::{Error, Result};
use crate::evaluation::cache::Cache;
use crate::evaluation::recordings::Sources;
use crate::evaluation::retrieval::collection::Collection;
use crate::export::metadata::check_keys;
use crate::pairs::Association;
use crate::splits::{Part, SPLIT};
use base::{Base, Listening, Target};

/// Adapts a model to a collection: a linear map after its embeddings, learnt from editorial metadata.
///
/// `sleeve-train adapt ~/Music` does all that is needed for one's own library: it scans the files, takes artists, albums,
/// labels and genres from their tags, computes the embeddings, and learns the map. How well tracks of one artist, album
/// and label are found with and without the map is measured on a quarter of the artists, with a map that was not learnt
/// from them; the model that is written is learnt from all. When run again, only new files are read.
///
/// With a data set instead of a folder of music, made by `split`, it learns from the parts of that.
///
/// For collections too small to train a network on. The map shrinks the directions in which tracks that belong together
/// differ (relevant component analysis), with the associations of the paper weighted as in its multi-task model. The
/// new embeddings are compared by their cosine. The model's tags, if it has
/// any, are unchanged. `retrieve` measures the result on held-out tracks.
///
/// Once the collection is embedded, this takes about a minute on a CPU.
#[derive(clap::Args)]
pub struct Arguments {
    /// A folder of music, or the folder of a data set, with split.parquet.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The model, an .onnx file with its metadata beside it; by default the bundled msd-musicnn-1.
    #[arg(long, value_name = "MODEL.onnx")]
    model: Option<PathBuf>,
    /// The weight of each association: ASSOCIATION=WEIGHT, separated by commas; 0 for those not named. By default those
    /// of the paper's multi-task model: track=0.1,release=0.15,artist=0.6,label=0.15.
    #[arg(long, value_name = "WEIGHTS", value_delimiter = ',', value_parser = weight)]
    weights: Vec<(Association, f64)>,
    /// This share of the mean variance of an embedding's values is added to the variances. More of it relies less on
    /// the pairs and more on the model.
    #[arg(long, value_name = "SHARE", default_value_t = Options::default().shrinkage)]
    shrinkage: f64,
    /// Learns the map on this tensor of the graph instead of its embeddings: a layer before them often knows more
    /// (`features.pooled` of the MusiCNN networks). Its values are brought to a deviation of 1 first.
    #[arg(long, value_name = "TENSOR")]
    layer: Option<String>,
    /// The number of values of the new embeddings, those in which tracks differ most. By default as many as before.
    #[arg(long, value_name = "N")]
    dimensions: Option<usize>,
    /// The network brings every patch to one level, so that embeddings and tags do not depend on how loud a recording
    /// is: the mean power of a mel band, in dB.
    #[arg(long, value_name = "DB", num_args = 0..=1, default_missing_value = "-4.3", allow_negative_numbers = true)]
    level: Option<f64>,
    /// Parts of a data set to learn from; by default `train`.
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = part)]
    part: Vec<Part>,
    /// Features made by `features`, for a data set; recordings without features are decoded.
    #[arg(long, value_name = "FEATURES")]
    features: Option<PathBuf>,
    /// The scanned folder of music, for a data set: for recordings without features.
    #[arg(long, value_name = "MUSIC_DIR")]
    audio: Option<PathBuf>,
    /// Folder where embeddings are kept, for this command and others; by default OUT/NAME.work/cache.
    #[arg(long, value_name = "CACHE")]
    cache: Option<PathBuf>,
    /// Folder of the new model; created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "models")]
    out: PathBuf,
    /// The stem of its files.
    #[arg(long, value_name = "NAME", default_value = "my-music")]
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
    let Arguments { folder, out, name, .. } = arguments;
    if arguments.threads == Some(0) {
        return Err(Error::InvalidArgument("--threads must be at least 1".into()));
    }
    let cores = || std::thread::available_parallelism().ok().map(usize::from);
    let threads = arguments.threads.or_else(cores).unwrap_or(1);
    let target = Target::new(out, name, arguments.replace)?;
    let mut options = Options {
        shrinkage: arguments.shrinkage,
        standardise: arguments.layer.is_some(),
        dimensions: arguments.dimensions,
        ..Options::default()
    };
    if !arguments.weights.is_empty() {
        options.weights.clone_from(&arguments.weights);
    }
    let more = arguments.metadata.as_deref().map(document).transpose()?.unwrap_or_default();
    let mut base = Base::open(
        arguments.model.as_deref(),
        &Changes { layer: arguments.layer.clone(), level: arguments.level },
    )?;
    // Before the collection is embedded.
    options.check(base.values())?;
    let work = out.join(format!("{name}.work"));
    let cache = Cache::new(arguments.cache.clone().unwrap_or_else(|| work.join("cache")));
    let stop = watched()?;

    if !SPLIT.path(folder).exists() {
        let sets = [
            ("--part", !arguments.part.is_empty()),
            ("--features", arguments.features.is_some()),
            ("--audio", arguments.audio.is_some()),
        ];
        if let Some((option, _)) = sets.into_iter().find(|(_, given)| *given) {
            let reason = format!("no split.parquet, which {option} needs: is this the data set's folder?");
            return Err(Error::format(folder, reason));
        }
        let sources = Sources::open(Some(folder), None)?;
        let listening = Listening { sources: &sources, audio: Some(folder), cache: &cache, threads, stop };
        return library::adapt(folder, &work, &mut base, &listening, &options, &target, more);
    }
    let parts = if arguments.part.is_empty() { vec![Part::Train] } else { arguments.part.clone() };
    let mut parts = parts;
    parts.sort_unstable_by_key(|part| *part as usize);
    parts.dedup();
    let audio = arguments.audio.as_deref();
    let sources = Sources::open(audio, arguments.features.as_deref())?;
    fresh::check(folder, &parts)?;
    let listening = Listening { sources: &sources, audio, cache: &cache, threads, stop };
    let (collection, embedded) = base.embed(Collection::read(folder, &parts)?, &listening)?;
    let adaptation = learn(&collection, &embedded, &options)?;
    target.write(&base, &adaptation, collection.len(), more)
}

/// Metadata from the user's file.
fn document(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let document = serde_json::from_str(&text)
        .map_err(|error| Error::format(path, format!("not a JSON object: {error}")))?;
    check_keys(&document).map_err(|reason| Error::format(path, reason))?;
    Ok(document)
}
