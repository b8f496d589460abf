//! Much of everything: `cargo xtask size`. Each command does a tenth of the work, then the whole, and memory must not grow
//! with it: beside the peak there is what each further item adds.
//!
//! - `extract` and `index`: short files, hard links to twenty recordings of 3.2 seconds; then once more, with nothing to do
//! - `find`: a query in a library of random vectors, which the library's own writer has written
//! - `discogs`: a dump of repeated records, through a pipe
//! - `hours`: one long recording

mod inputs;
mod measure;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use measure::{Measured, Row};

const HELP: &str = "\
cargo xtask size [--whole] [OPTION...] [NAME...]

Does a tenth of much work and then all of it, and prints peak memory and time for each. It is a failure if an item adds more
than a little to the memory. Without a NAME: extract, index, find, discogs and hours.

  --files N      short files for extract and index (10,000)
  --tracks N     tracks of the library for find (100,000)
  --gigabytes N  the dump for discogs (1)
  --hours N      the recording for hours (2)
  --whole        1,000,000 files, 1,000,000 tracks, 10 GB and 10 hours, unless said otherwise: most of a day on two cores
  --folder DIR   where all of it is written and removed; it takes 10 GB for --whole
  --programs DIR sleeve and sleeve-train are there, instead of beside this program
";

const NAMES: [&str; 5] = ["extract", "index", "find", "discogs", "hours"];

struct Request {
    files: usize,
    tracks: usize,
    gigabytes: f64,
    hours: f64,
    names: Vec<String>,
    programs: PathBuf,
    folder: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let request = parse(&arguments)?;
    let folder = match &request.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    println!("{}", Row::HEAD);
    let mut grown = Vec::new();
    for name in &request.names {
        let place = folder.path().join(name);
        fs::create_dir(&place)?;
        for row in rows(name, &request, &place)? {
            println!("{row}");
            grown.extend(row.fault());
        }
        fs::remove_dir_all(&place)?;
    }
    ensure!(grown.is_empty(), "{}", grown.join("\n"));
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Request> {
    let is_whole = arguments.iter().any(|argument| argument == "--whole");
    let of = |whole: f64, part: f64| if is_whole { whole } else { part };
    let (mut files, mut tracks) = (of(1e6, 1e4), of(1e6, 1e5));
    let (mut gigabytes, mut hours) = (of(10.0, 1.0), of(10.0, 2.0));
    let mut names = Vec::new();
    let beside = std::env::current_exe()?;
    let mut programs = beside.parent().context("the program has a folder")?.to_owned();
    let mut folder = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} takes a value\n\n{HELP}"));
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
            number.with_context(|| format!("{argument} takes a number\n\n{HELP}"))
        };
        match argument.as_str() {
            "--whole" => {}
            "--files" => files = number(value()?)?,
            "--tracks" => tracks = number(value()?)?,
            "--gigabytes" => gigabytes = number(value()?)?,
            "--hours" => hours = number(value()?)?,
            "--programs" => programs = std::path::absolute(value()?)?,
            "--folder" => folder = Some(std::path::absolute(value()?)?),
            name if NAMES.contains(&name) => names.push(name.to_owned()),
            other => bail!("unknown option `{other}`\n\n{HELP}"),
        }
    }
    if names.is_empty() {
        names = NAMES.map(str::to_owned).to_vec();
    }
    // A tenth of it must be something.
    let (files, tracks) = (files.max(10.0) as usize, tracks.max(100.0) as usize);
    Ok(Request { files, tracks, gigabytes, hours, names, programs, folder })
}

fn rows(name: &str, request: &Request, place: &Path) -> Result<Vec<Row>> {
    match name {
        "extract" => of_files(request, place, "extract", "extract music -o out --resume --threads 2 --quiet"),
        "index" => of_files(
            request,
            place,
            "similar index",
            "similar index out/of.library music --threads 2 --quiet",
        ),
        "find" => find(request, place),
        "discogs" => discogs(request, place),
        _ => hours(request, place),
    }
}

fn sleeve(request: &Request, place: &Path, arguments: &str) -> Command {
    let mut command = Command::new(request.programs.join("sleeve"));
    command.args(arguments.split(' ')).current_dir(place).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A tenth of the files, all of them, and all of them again.
fn of_files(request: &Request, place: &Path, what: &str, arguments: &str) -> Result<Vec<Row>> {
    let run = |files: usize| -> Result<Measured> {
        inputs::music(&place.join("music"), files)?;
        fs::create_dir_all(place.join("out"))?;
        measure::run(&mut sleeve(request, place, arguments), files as f64)
    };
    let tenth = run(request.files / 10)?;
    fs::remove_dir_all(place)?;
    fs::create_dir(place)?;
    let whole = run(request.files)?;
    let again = measure::run(&mut sleeve(request, place, arguments), request.files as f64)?;
    Ok(vec![Row::new(what, "file", tenth, whole), Row::alone(&format!("{what}, again"), "file", again)])
}

/// The nearest of a track, in a process of its own: opened, searched and closed.
fn find(request: &Request, place: &Path) -> Result<Vec<Row>> {
    let run = |tracks: usize| -> Result<Measured> {
        let make = std::env::current_exe()?.with_file_name("similar");
        let status = Command::new(make).arg("--make").arg(place).arg(tracks.to_string()).status()?;
        ensure!(status.success(), "the library could not be made");
        let mut command = sleeve(request, place, "similar find big.library -n 10 --json");
        measure::run(command.arg("Artist 0/Album 0/00 Track.flac"), tracks as f64)
    };
    let tenth = run(request.tracks / 10)?;
    let whole = run(request.tracks)?;
    Ok(vec![Row::new("similar find", "track", tenth, whole)])
}

/// What Parquet keeps in memory of all tables until 524,288 rows are full, which takes some gigabytes of a dump.
const ROW_GROUPS: f64 = 512e6;

/// The records of a dump again and again, on standard input.
fn discogs(request: &Request, place: &Path) -> Result<Vec<Row>> {
    let dump = inputs::Dump::read()?;
    let run = |bytes: f64| -> Result<Measured> {
        let mut command = Command::new(request.programs.join("sleeve-train"));
        command.args(["discogs", "-", "--out", "out", "--threads", "2"]).current_dir(place);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        measure::fed(&mut command, bytes / 1e6, |pipe| dump.write(pipe, bytes as u64))
    };
    let bytes = request.gigabytes * 1e9;
    let row = Row::new("discogs", "MB", run(bytes / 10.0)?, run(bytes)?);
    Ok(vec![row.with_slack(ROW_GROUPS)])
}

fn hours(request: &Request, place: &Path) -> Result<Vec<Row>> {
    let run = |hours: f64| -> Result<Measured> {
        let mut file = std::io::BufWriter::with_capacity(1 << 20, fs::File::create(place.join("long.wav"))?);
        inputs::long(&mut file, (hours * 3600.0) as usize)?;
        file.flush()?;
        drop(file);
        let command = "extract long.wav -o out --threads 2 --quiet";
        measure::run(&mut sleeve(request, place, command), hours * 60.0)
    };
    Ok(vec![Row::new("extract, one file", "minute", run(request.hours / 10.0)?, run(request.hours)?)])
}
