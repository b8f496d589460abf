//! `sleeve-train report`.

use std::io::Write;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::evaluation::report::{Inputs, Report};

/// Puts what was measured beside what the paper measured.
///
/// Tables 1, 3 and 4 and Figure 2 of the paper with our rows in them, our retrieval tables, and a table of every training
/// run. The tables are printed as Markdown; with --out, DIR gets `report.html`, a page that needs nothing else,
/// `report.md`, each table as `.csv` and each picture as `.svg`. What was not measured is said to be missing. Of several
/// runs of one association, Table 1 and Figure 2 show the first.
#[derive(clap::Args)]
pub struct Arguments {
    /// A folder of results, as `evaluate` writes them.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Folders of runs, as `train` writes them, or folders that hold such.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    runs: Vec<PathBuf>,
    /// The data set that was learnt from, made by `split` and `pairs`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the report is written, with its pictures, instead of being printed.
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
        // A disk can be full here, too.
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
