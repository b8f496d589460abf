//! Near-duplicates of real recordings, and indexing them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input};
use sleeve::extractor::{Extractor, Rows, Summary};
use sleeve::model::Model;
use sleeve::similarity::{DuplicateRule, EmbeddingBuilder, Library, LibraryWriter, Origin, Track};
use sleeve_benches::clips::clips;
use sleeve_benches::{median, program};
use sleeve_files::walk::{Walk, walk};

/// Recordings that are taken of a folder.
const RECORDINGS: usize = 120;
/// The encodings of the copies: ending, and options of ffmpeg.
const ENCODINGS: [(&str, &[&str]); 6] = [
    ("mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
    ("mp3", &["-c:a", "libmp3lame", "-b:a", "64k", "-ar", "22050"]),
    ("ogg", &["-c:a", "libvorbis", "-q:a", "2"]),
    ("opus", &["-c:a", "libopus", "-b:a", "64k"]),
    ("m4a", &["-c:a", "aac", "-b:a", "96k"]),
    ("flac", &["-af", "volume=-4dB", "-ac", "1"]),
];

const MODEL: &str = "sleeve-musicnn-1";

fn recordings(folder: &Path, music: Option<&Path>) -> Result<Vec<PathBuf>> {
    let Some(music) = music else {
        let place = folder.join("clips");
        fs::create_dir_all(&place)?;
        return clips(&place, 48);
    };
    let options = Walk { no_ffmpeg: Some("not used"), exclude: &|_| false };
    let found = walk(music, options).files;
    // Spread over the folder.
    let step = found.len().div_ceil(RECORDINGS).max(1);
    Ok(found.into_iter().step_by(step).map(|path| music.join(path)).collect())
}

/// Precision and recall of rules, on copies of recordings in other encodings beside all other pairs.
pub fn duplicates(folder: &Path, music: Option<&Path>) -> Result<()> {
    let extractor = Extractor::builder(Model::bundled(MODEL)?).output("embeddings").build()?;
    let path = folder.join("copies.library");
    let mut writer = LibraryWriter::create(&path, "", &Origin::of(&extractor)?)?;
    let copies = folder.join("copies");
    fs::create_dir_all(&copies)?;
    // The recording of each track.
    let mut sources = Vec::new();
    for (number, recording) in recordings(folder, music)?.iter().enumerate() {
        let (ending, options) = ENCODINGS[number % ENCODINGS.len()];
        let copy = copies.join(format!("{number}.{ending}"));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(recording).args(["-vn", "-t", "300"]).args(options).arg(&copy);
        if !ffmpeg.status().context("ffmpeg encodes the copies")?.success() {
            continue;
        }
        for file in [recording, &copy] {
            let mut builder = EmbeddingBuilder::new(&extractor, false)?;
            let run = extractor.run_file(file, &mut |rows: &Rows<'_>| {
                builder.add(rows);
                Ok(())
            });
            let (Ok(summary), Some(embedding)) = (run, builder.finish()) else { continue };
            let track = Track { path: file.clone(), seconds: summary.seconds, ..Track::default() };
            writer.add(&track, &embedding)?;
            sources.push(number);
        }
    }
    writer.finish()?;
    let library = Library::open(&path)?;
    let source = |track: usize| sources[track];
    println!("\nnear-duplicates: {} tracks, of which each recording has a re-encoded copy", library.len());
    println!("{:<10}{:>10}{:>12}{:>10}", "cosine", "seconds", "precision", "recall");
    let usual = library.duplicate_rule();
    let others = [0.99, 0.97, 0.95, 0.93, 0.88, 0.85, 0.8].map(|cosine| DuplicateRule { cosine, ..usual });
    let pairs = |rule: &DuplicateRule| {
        let (mut right, mut wrong, mut all) = (0, 0, 0);
        for one in 0..library.len() {
            for other in 0..one {
                let is_copy = source(one) == source(other);
                all += usize::from(is_copy);
                if library.are_duplicates(one, other, rule) {
                    *(if is_copy { &mut right } else { &mut wrong }) += 1;
                }
            }
        }
        (right as f64 / (right + wrong).max(1) as f64, right as f64 / all.max(1) as f64)
    };
    for rule in others.iter().chain([&usual]) {
        let (precision, recall) = pairs(rule);
        let mark = if *rule == usual { "  the default" } else { "" };
        println!("{:<10}{:>10}{precision:>12.3}{recall:>10.3}{mark}", rule.cosine, rule.seconds);
    }
    Ok(())
}

/// `sleeve similar index` beside the batch extractor alone.
pub fn indexing(folder: &Path, music: Option<&Path>, threads: usize) -> Result<()> {
    let recordings = recordings(folder, music)?;
    let list = folder.join("list.txt");
    let lines: Vec<String> = recordings.iter().map(|path| path.display().to_string()).collect();
    fs::write(&list, lines.join("\n"))?;
    let model = Model::bundled(MODEL)?;
    let extractor =
        Extractor::builder(model).threads(1).output("embeddings").output("predictions").build()?;
    let mut walls = [Vec::new(), Vec::new()];
    for round in 0..3 {
        let started = Instant::now();
        let batch = BatchExtractor::new(&extractor, &BatchOptions::default().workers(threads))?;
        batch.run(recordings.iter().map(Input::file), &mut Nothing)?;
        walls[0].push(started.elapsed().as_secs_f64());
        let library = folder.join(format!("indexed {round}.library"));
        let started = Instant::now();
        let mut command = Command::new(program());
        command.args(["similar", "index"]).arg(&library).arg("--from-file").arg(&list);
        command.args(["--quiet", "--ffmpeg", "never", "--threads", &threads.to_string()]);
        let output = command.output().with_context(|| program().display().to_string())?;
        walls[1].push(started.elapsed().as_secs_f64());
        ensure!(library.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let [batch, index] = walls.each_ref().map(|walls| median(walls));
    println!(
        "\nindexing {} recordings on {threads} threads: {index:.2} s; the batch extractor alone {batch:.2} s; ratio {:.3}",
        recordings.len(),
        index / batch
    );
    Ok(())
}

struct Nothing;

impl BatchSink for Nothing {
    fn rows(&mut self, _recording: usize, _extractor: usize, _rows: &Rows<'_>) -> sleeve::Result<()> {
        Ok(())
    }

    fn done(&mut self, _recording: usize, _outcome: sleeve::Result<Summary>) {}
}
