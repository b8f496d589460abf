//! `sleeve-train map`.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::evaluation::map::groups::{By, Known, groups};
use crate::evaluation::map::projection::Options;
use crate::evaluation::map::{embeddings, map, picture};
use crate::plot::draw;

/// Draws a collection as a map: recordings that are alike to a model lie near each other.
///
/// EMBEDDINGS is the folder that `sleeve extract --output EMBEDDINGS` has written, best with `--mean` and with
/// `--format npy` or `parquet`. Dots of one colour have the same release, artist, label or folder; the largest of these
/// are named. The layout is t-SNE on the first 50 principal components of the embeddings, compared by cosine. The text
/// below the map says how far it can be trusted. The same seed gives the same map.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of embeddings.
    #[arg(value_name = "EMBEDDINGS")]
    embeddings: PathBuf,
    /// The picture: FILE.svg or FILE.png.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What dots of one colour have in common; by default `folder` if neither --data nor --corpus is given.
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<By>,
    /// The data set that has the metadata of the recordings, made by `split`.
    #[arg(long, value_name = "DIR", conflicts_with = "corpus")]
    data: Option<PathBuf>,
    /// The tables of the dump, for names; without them, the legend has Discogs' ids.
    #[arg(long, value_name = "DIR", requires = "data")]
    discogs: Option<PathBuf>,
    /// The recordings are those of `corpus debian`.
    #[arg(long)]
    corpus: bool,
    /// The model, if the folder has the embeddings of several.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The title above the map.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Seed of the random choices.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Roughly how many neighbours of a recording count.
    #[arg(long, default_value_t = 30.0)]
    perplexity: f64,
    /// Steps of the layout.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if !(2.0..=200.0).contains(&arguments.perplexity) {
        return Err(Error::InvalidArgument("--perplexity is from 2 to 200".into()));
    }
    if !(10..=100_000).contains(&arguments.steps) {
        return Err(Error::InvalidArgument("--steps is from 10 to 100000".into()));
    }
    let known = match (&arguments.data, arguments.corpus) {
        (Some(data), _) => Known::Data(data, arguments.discogs.as_deref()),
        (None, true) => Known::Corpus,
        (None, false) => Known::Places,
    };
    let by = match (arguments.by, known) {
        (None | Some(By::Folder), Known::Places) => By::Folder,
        (Some(by), Known::Places) => {
            let reason = format!("--by {} needs --data or --corpus", by.name());
            return Err(Error::InvalidArgument(reason));
        }
        (by, _) => by.unwrap_or(By::Release),
    };
    let ending = arguments.out.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("svg" | "png")) {
        return Err(Error::format(&arguments.out, "a picture's name ends in .svg or .png"));
    }
    let all = embeddings::read(&arguments.embeddings, arguments.model.as_deref())?;
    let groups = groups(&all, known, by)?;
    let options = Options { seed: arguments.seed, perplexity: arguments.perplexity, steps: arguments.steps };
    let made = map(&all, &options)?;
    let count = all.names.len();
    let title = match &arguments.title {
        Some(title) => title.clone(),
        None => format!("{count} recordings by sound, coloured by {}", by.name()),
    };
    draw(&picture(&made, &groups, &title, by.name()), &arguments.out)?;
    let unknown = groups.iter().filter(|group| group.is_none()).count();
    let trust = made.trust.map_or_else(|| "unknown".to_owned(), |trust| format!("{trust:.3}"));
    println!(
        "{}: {count} recordings, {unknown} without a known {}, {} too short; trustworthiness {trust}",
        arguments.out.display(),
        by.name(),
        all.empty
    );
    Ok(())
}
