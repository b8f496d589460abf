//! `sleeve models`: the bundled models, and the input and outputs of any model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use sleeve::engine::Purpose;
use sleeve::front_end::FrontEnd;
use sleeve::model::{Meaning, Model};
use sleeve_files::names::escaped;

use crate::model_args::ModelArgs;
use crate::terminal;

/// List bundled models, or describe model files: input, outputs, licence
#[derive(clap::Args)]
pub struct Args {
    /// Models: .onnx files, their names without the extension, or bundled names. Default: all bundled models
    #[arg(value_name = "MODEL")]
    pub models: Vec<PathBuf>,

    #[command(flatten)]
    pub model_args: ModelArgs,

    /// Show the names of all classes
    #[arg(long)]
    pub classes: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut names = args.models.clone();
    if names.is_empty() {
        names.extend(Model::bundled_names().map(PathBuf::from));
    }
    if names.is_empty() {
        terminal::print(
            "this build has no bundled model; name a file, such as `sleeve models discogs-effnet-bs64-1.onnx`\n",
        )?;
    }
    let mut code = ExitCode::SUCCESS;
    for name in &names {
        match args.model_args.open(name) {
            Ok(model) => terminal::print(&describe(&model, args.classes))?,
            Err(error) => {
                terminal::error(&error.into());
                code = ExitCode::FAILURE;
            }
        }
    }
    if args.models.is_empty() && !names.is_empty() {
        terminal::print(
            "The .onnx models of Essentia's website, with their .json beside them, can be used with --model FILE.\n",
        )?;
    }
    Ok(code)
}

/// A few lines about one model.
fn describe(model: &Model, classes: bool) -> String {
    let metadata = model.metadata();
    let mut lines = vec![escaped(model.name())];
    let mut line = |what: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("  {what:<9} {}", escaped(&text)));
        }
    };
    line("what", metadata.text("description").to_owned());
    line("author", metadata.text("author").to_owned());
    line(
        "licence",
        match metadata.text("license") {
            "" => "not stated".to_owned(),
            licence => licence.to_owned(),
        },
    );
    line("input", input(model));
    for (index, output) in model.outputs().iter().enumerate() {
        let purpose = match output.purpose {
            Purpose::Predictions => "predictions",
            Purpose::Embeddings => "embeddings",
            Purpose::Other => "other",
        };
        let meaning = match model.meaning(index) {
            Meaning::Values => String::new(),
            meaning => match meaning.range(model.classes()) {
                Some((lowest, highest)) => format!(", {} from {lowest} to {highest}", meaning.name()),
                None => format!(", {}", meaning.name()),
            },
        };
        let tokens = model.tokens(index).map_or_else(String::new, |(count, width)| {
            format!(", {count} tokens of {width} (:cls, :dist, :mean, :stack, :tokens)")
        });
        line("output", format!("{}: {purpose}, {} values{meaning}{tokens}", output.name, output.dim));
    }
    if let Some(embedding) = metadata.embedding_model() {
        line("head of", embedding.model_name.to_owned());
    }
    if !model.classes().is_empty() {
        let shown = if classes { model.classes().len() } else { 8 };
        let first: Vec<&str> = model.classes().iter().take(shown).map(String::as_str).collect();
        let more = model.classes().len() - first.len();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        line("classes", first.join(", ") + &more);
    }
    line("SHA-256", model.sha256().to_owned());
    for warning in model.warnings() {
        line("warning", warning.clone());
    }
    lines.join("\n") + "\n\n"
}

fn input(model: &Model) -> String {
    let (Some(patching), Some(algorithm)) = (model.patching(), model.algorithm()) else {
        return match model.audio_patching() {
            Err(error) if !model.is_head() => format!("unknown: {error}"),
            _ => format!("an embedding of {} values: a head, for --head", model.input().len()),
        };
    };
    let front_end = patching.front_end();
    let values = if front_end == FrontEnd::Crepe { "samples" } else { "bands" };
    let said = if model.is_overridden() { ", by --front-end" } else { "" };
    let mut text = format!(
        "audio at {} Hz, front end {front_end} ({algorithm}{said}): patches of {} frames of {} {values}, every {} frames",
        front_end.sample_rate(),
        patching.frames(),
        front_end.bands(),
        patching.hop()
    );
    if patching.frames() > 1 {
        let hop = patching.time(1) - patching.time(0);
        text += &format!(", {:.2} s, every {hop:.2} s", patching.duration());
    }
    text
}
