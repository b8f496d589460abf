//! `sleeve-train export`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value};
use sleeve::model::Model;

use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::evaluation::results::Results;
use crate::export::card::card;
use crate::export::closeness::Closeness;
use crate::export::metadata::check_keys;
use crate::export::weights::Storage;
use crate::export::{Format, Options, Source, export};
use crate::network::plain::randomise_norms;
use crate::network::{Description, Head};

/// Makes a model of a checkpoint: ONNX, TorchScript, and the metadata of both.
///
/// NAME.onnx runs on the library's CPU engines and on every ONNX runtime, NAME.pt on libtorch (with or without CUDA).
/// NAME.json describes inputs and outputs, in the schema of Essentia's models. Both graphs have the same weights: batch
/// norm is folded into the convolutions, and values are rounded to half precision, or (`--weights int8`) to eight bits
/// with a scale for each output. Input: patches [n, 128, 96] in f32. Outputs, in f32: those of the heads first, then
/// the embeddings. The batch size n is free.
///
/// ONNX runtimes compute in f32. For NAME.pt, call `module.to(dtype)`, which also casts the parameters: without it,
/// libtorch computes in half precision, which is slow on a CPU.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Arguments {
    /// The network, a .safetensors file.
    #[arg(value_name = "CHECKPOINT", group = "source")]
    checkpoint: Option<PathBuf>,
    /// Makes other formats of an .onnx file and keeps its metadata. `--formats pt` works for other models too, such as
    /// MusiCNN.
    #[arg(long, value_name = "MODEL.onnx", group = "source")]
    from: Option<PathBuf>,
    /// An untrained network: the paper's baseline with random weights.
    #[arg(long, group = "source")]
    random: bool,
    /// Folder of the model; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The stem of the files.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The formats, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Name::Onnx, Name::Pt])]
    formats: Vec<Name>,
    /// How the ONNX file stores its weights. By default as the file of --from does, otherwise half precision. Eight
    /// bits make the file half as large.
    #[arg(long, value_enum)]
    weights: Option<Stored>,
    /// Features for comparing the embeddings before and after the weights are stored as --weights says. The model is
    /// written only if the cosines of all patches are above 0.999.
    #[arg(long, value_name = "FEATURES", requires = "weights")]
    compare: Option<PathBuf>,
    /// Seed of an untrained network's weights.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "random")]
    seed: u64,
    /// The head of an untrained network: `projection`, `none`, or a number of classes.
    #[arg(long, default_value = "projection", requires = "random", value_parser = heads)]
    head: Heads,
    /// Also draws the batch norms of an untrained network at random. At the beginning of training, batch norm does
    /// nothing, and the activations fade to almost nothing. With this option, embeddings differ from patch to patch,
    /// which tests need.
    #[arg(long, requires = "random")]
    random_norms: bool,
    /// A JSON file of metadata to set, such as `description`, `dataset`, `author` or `license`.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    metadata: Option<PathBuf>,
    /// Replaces files of that name.
    #[arg(long)]
    replace: bool,
    /// Writes a model card in the form that Hugging Face shows, usually README.md in the model's own folder, from the
    /// metadata and --results.
    #[arg(long, value_name = "FILE.md")]
    card: Option<PathBuf>,
    /// Results of `retrieve` and `evaluate` for the card; those count that were measured with exactly this ONNX file.
    #[arg(long, value_name = "RESULTS", requires = "card")]
    results: Option<PathBuf>,
    /// Exports only these heads of the checkpoint, by name; the embeddings are always an output. By default all heads.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "checkpoint")]
    heads: Option<Vec<String>>,
}

/// The formats' names.
#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Onnx,
    Pt,
}

/// How weights are stored.
#[derive(Clone, Copy, ValueEnum)]
enum Stored {
    /// Two bytes each.
    Half,
    /// One byte each for the weights of dense layers and of 1x1 convolutions with 10,000 weights or more, which are
    /// nearly all. Two bytes for the others.
    Int8,
}

#[derive(Clone)]
struct Heads(Vec<Head>);

fn heads(text: &str) -> std::result::Result<Heads, String> {
    match text {
        "none" => Ok(Heads(vec![])),
        "projection" => Ok(Heads(vec![Head::projection("projections")])),
        count => match count.parse() {
            Ok(count @ 1..=65_536) => Ok(Heads(vec![Head::classes("predictions", count)])),
            _ => Err("`projection`, `none`, or a number of classes from 1 to 65536".into()),
        },
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let formats: Vec<Format> = arguments
        .formats
        .iter()
        .map(|name| match name {
            Name::Onnx => Format::Onnx,
            Name::Pt => Format::Pt,
        })
        .collect();
    let checkpoint;
    let source = match &arguments.from {
        Some(path) => Source::Onnx(path),
        None => {
            checkpoint = network(arguments)?;
            Source::Checkpoint(&checkpoint, arguments.checkpoint.as_deref())
        }
    };
    let Arguments { out: folder, name, replace, .. } = arguments;
    let storage = arguments.weights.map(|stored| match stored {
        Stored::Half => Storage::Half,
        Stored::Int8 => Storage::Int8,
    });
    let compared_on = arguments.compare.as_deref();
    let options = Options { folder, name, formats: &formats, storage, compared_on, replace: *replace };
    if let Some(card) = arguments.card.as_ref().filter(|card| card.exists() && !replace) {
        return Err(Error::format(card, "exists already; choose another name, or use --replace"));
    }
    let results = arguments.results.as_deref().map(Results::load_all).transpose()?;
    let report = export(&source, &options)?;
    for file in &report.files {
        println!("{}", file.display());
    }
    if let Some(path) = &arguments.card {
        let written = folder.join(format!("{name}.onnx"));
        let model = match &arguments.from {
            _ if written.exists() => Model::open(&written)?,
            Some(from) => Model::open(from)?,
            None => Model::open(folder.join(format!("{name}.pt")))?,
        };
        atomic::write(path, card(&model, results.as_deref().unwrap_or_default()).as_bytes())?;
        println!("{}", path.display());
    }
    if report.rounding > 0.0 {
        let kind = match report.storage {
            Storage::Half => "half precision",
            Storage::Int8 => "eight bits",
        };
        println!("rounding to {kind}: at most {:.1e} of the weights of an output", report.rounding);
    }
    if let Some(Closeness { patches, lowest, mean }) = report.closeness {
        println!(
            "embeddings of {patches} patches before and after: cosine {lowest:.5} at least, {mean:.5} in the mean"
        );
    }
    Ok(())
}

/// The checkpoint of the arguments, or an untrained one.
fn network(arguments: &Arguments) -> Result<Checkpoint> {
    let mut checkpoint = match &arguments.checkpoint {
        Some(path) => {
            let mut checkpoint = Checkpoint::read(path)?;
            if let Some(names) = &arguments.heads {
                checkpoint.keep_heads(names).map_err(|reason| Error::format(path, reason))?;
            }
            checkpoint
        }
        None => {
            let mut description = Description::new(arguments.head.0.clone());
            let text = format!("untrained EfficientNet-B0, seed {}", arguments.seed);
            description.metadata.insert("description".into(), text.into());
            let mut checkpoint = Checkpoint::untrained(description, arguments.seed)?;
            if arguments.random_norms {
                randomise_norms(&mut checkpoint.tensors, arguments.seed);
            }
            checkpoint
        }
    };
    if let Some(path) = &arguments.metadata {
        checkpoint.description.metadata.extend(document(path)?);
    }
    Ok(checkpoint)
}

fn document(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let document = serde_json::from_str(&text)
        .map_err(|error| Error::format(path, format!("not a JSON object: {error}")))?;
    check_keys(&document).map_err(|reason| Error::format(path, reason))?;
    Ok(document)
}
