//! `sleeve-train plot`.

use std::path::PathBuf;

use crate::error::Result;
use crate::plot::{Measure, Side, draw, read};

/// Draws the curves of training runs, as Figure 2 of the paper: accuracy over epochs.
///
/// In the paper it is the training accuracy of the four associations: how often the largest value in a row of a batch's
/// similarity matrix is that of anchor and positive. Each run is a folder written by `train`; a run with several
/// associations has a curve for each. The legend gives the last values.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folders of runs.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The picture: FILE.svg or FILE.png.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The part of the data set.
    #[arg(long, value_enum, value_name = "PART", default_value_t = Side::Train)]
    part: Side,
    /// The measure to draw.
    #[arg(long, value_enum, value_name = "MEASURE", default_value_t = Measure::Accuracy)]
    measure: Measure,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let chart = read(&arguments.runs, arguments.part, arguments.measure)?;
    draw(&chart, &arguments.out)?;
    println!("{}: {} curves of {} runs", arguments.out.display(), chart.curves.len(), arguments.runs.len());
    Ok(())
}
