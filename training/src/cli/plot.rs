//! `sleeve-train plot`.

use std::path::PathBuf;

use crate::error::Result;
use crate::plot::{Measure, Side, draw, read};

/// Draws how runs learnt, as Figure 2 of the paper does: accuracy over epochs.
///
/// There it is the training accuracy of the four associations: how often the similarity matrix of a
/// batch is largest where anchor and positive meet. Each run is a folder that `train` has written; a run of several
/// associations has a curve for each. The legend gives the last values.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folders of runs.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The picture: FILE.svg or FILE.png.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which part of the data set.
    #[arg(long, value_enum, value_name = "PART", default_value_t = Side::Train)]
    part: Side,
    /// What is drawn.
    #[arg(long, value_enum, value_name = "MEASURE", default_value_t = Measure::Accuracy)]
    measure: Measure,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let chart = read(&arguments.runs, arguments.part, arguments.measure)?;
    draw(&chart, &arguments.out)?;
    println!("{}: {} curves of {} runs", arguments.out.display(), chart.curves.len(), arguments.runs.len());
    Ok(())
}
