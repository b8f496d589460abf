//! Many recordings through one extractor, in full batches and bounded memory, a mean embedding for each as CSV:
//! `cargo run --release --example batch -- music/*.mp3 > embeddings.csv`.

use std::collections::HashMap;

use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input};
use sleeve::extractor::{Extractor, Rows, Summary};
use sleeve::model::Model;

/// Sums of the recordings on their way, and how many patches are in each.
struct Means<'p> {
    paths: &'p [String],
    sums: HashMap<usize, (Vec<f64>, usize)>,
}

impl BatchSink for Means<'_> {
    // Rows of several recordings may come in turns; those of one come in order.
    fn rows(&mut self, recording: usize, _extractor: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        let embeddings = &rows.outputs[0];
        let (sums, count) = self.sums.entry(recording).or_insert_with(|| (vec![0.0; embeddings.ncols()], 0));
        for row in embeddings.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        *count += embeddings.nrows();
        Ok(())
    }

    // A file that fails is reported here, and the others continue.
    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        let path = &self.paths[recording];
        match (outcome, self.sums.remove(&recording)) {
            (Ok(_), Some((sums, count))) => {
                let values: Vec<String> =
                    sums.iter().map(|sum| format!("{:.6}", sum / count as f64)).collect();
                println!("{path},{}", values.join(","));
            }
            (Ok(_), None) => eprintln!("{path}: shorter than one patch"),
            (Err(error), _) => eprintln!("error: {error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    // One thread for the network: the batch extractor has workers on every core.
    let model = Model::bundled("msd-musicnn-1")?;
    let extractor = Extractor::builder(model).output("embeddings").threads(1).build()?;
    let batch = BatchExtractor::new(&extractor, &BatchOptions::default())?;
    let totals =
        batch.run(paths.iter().map(Input::file), &mut Means { paths: &paths, sums: HashMap::new() })?;
    eprintln!("{} recordings, {} failed", totals.done, totals.failed);
    Ok(())
}
