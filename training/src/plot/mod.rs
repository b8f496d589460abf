//! Pictures: curves of training runs (Figure 2 of the paper, accuracy over epochs, for any runs), and bars with intervals.

mod bars;
mod chart;
mod surface;

use std::path::{Path, PathBuf};

pub use bars::{Bar, Bars};
pub use chart::{Chart, Curve};
pub use sleeve_plot::canvas::{Anchor, Rgb};
pub use surface::Surface;
use surface::{Pixels, Svg};

use crate::error::{Error, Result};
use crate::runlog::{self, LOG};

/// Okabe and Ito's colours, which people with colour vision deficiencies can distinguish; without the yellow, which is
/// faint on white.
const COLOURS: [Rgb; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0], [0, 0, 0]];

/// Something that can be drawn.
pub trait Drawing {
    /// Width and height in pixels.
    fn size(&self) -> (usize, usize);
    /// Draws it.
    fn draw(&self, surface: &mut impl Surface);
}

/// The part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Side {
    /// Training.
    Train,
    /// Validation.
    Validation,
}

/// The measure to draw over epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// In-batch top-1 accuracy, from 0 to 1.
    Accuracy,
    /// The loss.
    Loss,
}

/// Reads the logs of runs: a curve for everything that has the measure, such as each association of a run.
///
/// # Errors
/// If a run has no log, or no log has the measure.
pub fn read(runs: &[PathBuf], side: Side, measure: Measure) -> Result<Chart> {
    let part = match side {
        Side::Train => "train",
        Side::Validation => "validation",
    };
    let (name, title) = match measure {
        Measure::Accuracy => ("accuracy", "top-1 accuracy"),
        Measure::Loss => ("loss", "loss"),
    };
    let mut found: Vec<Found> = Vec::new();
    for run in runs {
        let own = found.len();
        for entry in runlog::read(run)? {
            for (key, &value) in &entry.values {
                let words: Vec<&str> = key.split('/').collect();
                let &[of, what, is] = words.as_slice() else { continue };
                if (of, is) != (part, name) {
                    continue;
                }
                let at = match found[own..].iter().position(|curve| curve.what == what) {
                    Some(at) => own + at,
                    None => {
                        found.push(Found { run: run_name(run), what: what.to_owned(), points: Vec::new() });
                        found.len() - 1
                    }
                };
                found[at].points.push((entry.epoch as f64, value));
            }
        }
        if found.len() == own {
            let reason = format!("it has no `{part}/.../{name}`, which a run logs at the end of each epoch");
            return Err(Error::format(run.join(LOG), reason));
        }
    }
    // The label has the run's name only if other curves have the same subject.
    let count = |what: &str| found.iter().filter(|curve| curve.what == what).count();
    let curves = found.iter().map(|Found { run, what, points }| {
        let label = if count(what) > 1 { format!("{run}: {what}") } else { what.clone() };
        Curve { label, points: points.clone() }
    });
    Ok(Chart {
        title: format!("{} {title} over epochs", if side == Side::Train { "Training" } else { "Validation" }),
        vertical: title.into(),
        unit: measure == Measure::Accuracy,
        curves: curves.collect(),
    })
}

/// A curve in the log of a run.
struct Found {
    run: String,
    what: String,
    points: Vec<(f64, f64)>,
}

fn run_name(run: &Path) -> String {
    let whole = run.canonicalize().unwrap_or_else(|_| run.to_owned());
    whole.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// An `svg` element as text.
pub fn svg(drawing: &impl Drawing) -> String {
    let (width, height) = drawing.size();
    let mut svg = Svg::new(width, height);
    drawing.draw(&mut svg);
    svg.finish()
}

/// Draws to an `.svg` or `.png` file.
///
/// # Errors
/// If the file's name has another extension, or it cannot be written.
pub fn draw(drawing: &impl Drawing, out: &Path) -> Result<()> {
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let bytes = match ending.as_deref() {
        Some("svg") => svg(drawing).into_bytes(),
        Some("png") => {
            let (width, height) = drawing.size();
            let mut pixels = Pixels::new(width, height);
            drawing.draw(&mut pixels);
            pixels.finish().map_err(|error| Error::io(out, error))?
        }
        _ => return Err(Error::format(out, "a picture's name ends in .svg or .png")),
    };
    crate::atomic::write(out, &bytes)
}
