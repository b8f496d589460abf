//! One recording to tags and embeddings: `cargo run --release --example extract -- song.mp3`.

use sleeve::extractor::Extractor;
use sleeve::model::Model;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: extract AUDIO_FILE")?;
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).build()?;
    let analysis = extractor.extract_file(&path)?;
    for warning in analysis.warnings() {
        eprintln!("warning: {path}: {warning}");
    }

    // One row per patch of 3 s; the next patch starts 1.5 s later.
    let embeddings = analysis.embeddings().ok_or("the model has no embeddings")?;
    println!("{path}: {} patches, embeddings of {} values", analysis.patch_count(), embeddings.ncols());

    // The mean over all patches describes the whole recording.
    let predictions = analysis.predictions().ok_or("the model has no predictions")?;
    let Some(mean) = predictions.mean_axis(ndarray::Axis(0)) else {
        println!("shorter than one patch");
        return Ok(());
    };
    let mut tags: Vec<(&String, &f32)> = analysis.classes().iter().zip(&mean).collect();
    tags.sort_by(|a, b| b.1.total_cmp(a.1));
    for (tag, activation) in tags.iter().take(5) {
        println!("  {activation:.2}  {tag}");
    }
    Ok(())
}
