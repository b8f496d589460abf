//! What a command needs, and whether it grows with the work.

use std::fmt;
use std::io::Write;
use std::process::{Child, ChildStdin, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sleeve_benches::wait_used;

/// Bytes that each further item may add: its name and place, and what an allocator makes of them.
const MAX_ADDED: f64 = 2048.0;
/// Bytes that vary from run to run, or are reached late.
const SLACK: f64 = 32e6;

/// A command that has ended.
#[derive(Clone, Copy)]
pub struct Measured {
    items: f64,
    seconds: f64,
    cpu: f64,
    /// Peak memory, mapped files included.
    peak: f64,
    /// The largest memory that is the program's alone, as seen every few milliseconds.
    own: f64,
}

pub fn run(command: &mut Command, items: f64) -> Result<Measured> {
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    watched(&child, items, start)
}

/// A command that reads its standard input.
pub fn fed(
    command: &mut Command,
    items: f64,
    feed: impl FnOnce(&mut ChildStdin) -> std::io::Result<()> + Send,
) -> Result<Measured> {
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let mut pipe = child.stdin.take().context("its standard input is a pipe")?;
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || feed(&mut pipe).and_then(|()| pipe.flush()));
        let measured = watched(&child, items, start)?;
        feeder.join().expect("the feeder does not panic").context("the command did not read all")?;
        Ok(measured)
    })
}

fn watched(child: &Child, items: f64, start: Instant) -> Result<Measured> {
    let has_ended = AtomicBool::new(false);
    let (used, own) = std::thread::scope(|scope| {
        let own = scope.spawn(|| {
            let mut most = 0.0;
            while !has_ended.load(Ordering::Relaxed) {
                most = own_memory(child.id()).unwrap_or(0.0).max(most);
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let used = wait_used(child);
        has_ended.store(true, Ordering::Relaxed);
        (used, own.join().expect("reading a file does not panic"))
    });
    let used = used?;
    ensure!(used.status.success(), "it ended with {}", used.status);
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured { items, seconds, cpu: used.cpu, peak: used.peak as f64, own })
}

/// Memory of a process without files that are mapped.
fn own_memory(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? * 1024.0)
}

/// A tenth of the work and all of it.
pub struct Row {
    what: String,
    unit: &'static str,
    tenth: Option<Measured>,
    whole: Measured,
    slack: f64,
}

impl Row {
    pub const HEAD: &str =
        "command                     work           own MB  peak MB  seconds  ms of a core for each";

    pub fn new(what: &str, unit: &'static str, tenth: Measured, whole: Measured) -> Self {
        Row { what: what.to_owned(), unit, tenth: Some(tenth), whole, slack: SLACK }
    }

    /// Work that is not compared.
    pub fn alone(what: &str, unit: &'static str, whole: Measured) -> Self {
        Row { what: what.to_owned(), unit, tenth: None, whole, slack: SLACK }
    }

    /// Bytes that are reached late, however much more there is.
    pub fn with_slack(self, slack: f64) -> Self {
        Row { slack, ..self }
    }

    /// Bytes of its own memory that each further item adds.
    fn added(&self) -> Option<f64> {
        let tenth = self.tenth?;
        Some((self.whole.own - tenth.own) / (self.whole.items - tenth.items))
    }

    /// In words, if memory grows with the work.
    pub fn fault(&self) -> Option<String> {
        let tenth = self.tenth?;
        let grown = self.whole.own - tenth.own;
        let may = self.slack + MAX_ADDED * (self.whole.items - tenth.items);
        (grown > may).then(|| format!("{}: {:.0} MB more for all than for a tenth", self.what, grown / 1e6))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |measured: &Measured, end: &str| {
            let Measured { items, seconds, cpu, peak, own } = measured;
            let work = format!("{items:.0} {}s", self.unit);
            let each = cpu * 1e3 / items;
            let (own, peak) = (own / 1e6, peak / 1e6);
            write!(
                out,
                "{:<24} {work:>17} {own:>9.0} {peak:>8.0} {seconds:>8.1} {each:>10.4}{end}",
                self.what
            )
        };
        if let Some(tenth) = &self.tenth {
            line(tenth, "\n")?;
        }
        line(&self.whole, "")?;
        self.added().map_or(Ok(()), |added| write!(out, "   {added:.0} bytes more for each {}", self.unit))
    }
}
