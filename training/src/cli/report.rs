//! `sleeve-train report`.

use std::io::Write;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::evaluation::report::{Inputs, Report};

/// Sets measured results beside the paper's.
///
/// Tables 1, 3 and 4 and Figure 2 of the paper with our rows in them, our retrieval tables, and a table of every
/// training run. The tables are printed as Markdown. With --out, DIR gets `report.html`, a self-contained page,
/// `report.md`, each table as `.csv` and each picture as `.svg`. The report says what has not been measured. Of several
/// runs of one association, Table 1 and Figure 2 show the first.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of results written by `evaluate` and `retrieve`.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Folders of runs written by `train`, or folders that contain such folders.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    runs: Vec<PathBuf>,
    /// The data set of the runs, made by `split` and `pairs`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the report and its pictures; without it, the report is printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let inputs = Inputs {
        results: arguments.results.clone(),
        runs: arguments.runs.clone(),
        data: arguments.data.clone(),
    };
    let report = Report::gather(&inputs)?;
    let (results, runs) = report.found;
    match &arguments.out {
        // Printing can fail too, for example on a full disk.
        None => {
            let mut out = std::io::stdout().lock();
            let mut printed = report.tables().try_for_each(|table| writeln!(out, "{}", table.markdown()));
            printed = printed.and_then(|()| out.flush());
            printed.map_err(|error| Error::io("standard output", error))?;
        }
        Some(out) => {
            let written = report.write(out)?.len();
            println!("{results} evaluations and {runs} runs; {written} files in {}", out.display());
        }
    }
    Ok(())
}
