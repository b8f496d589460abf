//! `sleeve models`: the bundled models, and the input and outputs of any model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use sleeve::engine::{InputSpec, Purpose};
use sleeve::model::Model;
use sleeve::patches::Patching;
use sleeve_files::names::escaped;

use crate::terminal;

/// List bundled models, or describe model files: input, outputs, licence
#[derive(clap::Args)]
pub struct Args {
    /// Models: .onnx files, their names without the extension, or bundled names. Default: all bundled models
    #[arg(value_name = "MODEL")]
    pub models: Vec<PathBuf>,

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
        match Model::open(name) {
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
    for output in model.outputs() {
        let purpose = match output.purpose {
            Purpose::Predictions => "predictions",
            Purpose::Embeddings => "embeddings",
            Purpose::Other => "other",
        };
        line("output", format!("{}: {purpose}, {} values", output.name, output.dim));
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
    match model.input() {
        InputSpec::Vector { dim } => format!("an embedding of {dim} values: a head, for --head"),
        InputSpec::Patch { frames, bands } => {
            let mut text =
                format!("audio at {} Hz: patches of {frames} frames of {bands} bands", model.sample_rate());
            let (frames, hop) = model.patching();
            if let Ok(patching) = Patching::new(frames, hop) {
                text += &format!(", {:.2} s, every {:.2} s", patching.duration(), patching.time(1));
            }
            text
        }
    }
}
