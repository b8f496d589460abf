//! The printed summary of a recording.

use std::fmt::Write;

use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, OutputInfo, Rows, Sink, Summary};
use sleeve::front_end::FrontEnd;
use sleeve::model::Meaning;

use super::whole::Whole;

/// The width of a full bar in columns.
const BAR: usize = 24;

/// Sums up an extractor's rows.
pub struct Means {
    outputs: Vec<(OutputInfo, Whole)>,
    patches: u64,
}

impl Means {
    pub fn of(extractor: &Extractor) -> Self {
        Means {
            outputs: extractor.outputs().map(|info| (info.clone(), Whole::of(info))).collect(),
            patches: 0,
        }
    }

    /// Whether there was no patch.
    pub fn is_empty(&self) -> bool {
        self.patches == 0
    }

    /// The lines below a file's name: what the model took, its strongest tags with bars, what else it says, and its mean
    /// embedding.
    pub fn describe(&self, top: usize, extractor: &Extractor, seconds: f64) -> String {
        let mut text = String::new();
        let name = extractor.model().name();
        if self.is_empty() {
            let _ = writeln!(text, "  {name}: {}", too_short(extractor, seconds));
            return text;
        }
        let _ = writeln!(text, "  {name}, {} patches of {}", self.patches, input(extractor));
        for (info, whole) in &self.outputs {
            text += &lines(info, &whole.values(), top);
        }
        text
    }
}

impl Sink for Means {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for ((_, whole), values) in self.outputs.iter_mut().zip(rows.outputs) {
            whole.add(values);
        }
        self.patches += rows.times.len() as u64;
        Ok(())
    }
}

/// The frames that a model took: `musicnn frames (16000 Hz, 96 bands)`.
fn input(extractor: &Extractor) -> String {
    let front_end = extractor.front_end();
    let values = if front_end == FrontEnd::Crepe { "samples" } else { "bands" };
    format!("{front_end} frames ({} Hz, {} {values})", front_end.sample_rate(), front_end.bands())
}

/// What an output says of the whole recording.
fn lines(info: &OutputInfo, values: &[f64], top: usize) -> String {
    match info.meaning {
        Meaning::Tempo => format!("    tempo {:.0} BPM, probability {:.2}\n", values[0], values[1]),
        Meaning::Pitch if values[1] > 0.0 => {
            let share = 100.0 * values[1];
            format!(
                "    pitch {:.1} Hz (median of the {share:.0} % of frames with a confidence of 0.5)\n",
                values[0]
            )
        }
        Meaning::Pitch => "    no pitch: no frame has a confidence of 0.5\n".to_owned(),
        // Their readings say it.
        Meaning::TempoClasses | Meaning::PitchBins => String::new(),
        Meaning::Quantities => quantities(info, values),
        _ if info.purpose == Purpose::Predictions => bars(info, values, top),
        _ => {
            let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
            let what = if info.purpose == Purpose::Embeddings { "embedding" } else { &info.tensor };
            let first: Vec<String> = values.iter().take(4).map(|value| format!("{value:.3}")).collect();
            let more = if values.len() > 4 { ", ..." } else { "" };
            let (count, first) = (values.len(), first.join(", "));
            format!("    {what}: {count} values, mean [{first}{more}], norm {norm:.2}\n")
        }
    }
}

/// Quantities, a line each, with the scale that they are on.
fn quantities(info: &OutputInfo, values: &[f64]) -> String {
    let scale = match info.meaning.range(&info.classes) {
        Some((lowest, highest)) => format!("  (from {lowest} to {highest})"),
        None => String::new(),
    };
    let indent = if info.from_head { format!("    {}\n", info.model) } else { String::new() };
    values.iter().enumerate().fold(indent, |mut text, (index, value)| {
        let label = info.classes.get(index).cloned().unwrap_or_else(|| format!("value {index}"));
        let _ = writeln!(text, "    {label:12}  {value:.2}{scale}");
        text
    })
}

/// Why a recording has no patch.
pub fn too_short(extractor: &Extractor, seconds: f64) -> String {
    let patch = extractor.patching().duration();
    format!("no complete patch: {seconds:.1} s, and a patch has {patch:.1} s; --last-patch repeat fills one")
}

/// The line with a file's name and format.
pub fn heading(name: &str, summary: &Summary) -> String {
    let audio = &summary.audio;
    let channels = match audio.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        count => format!("{count} channels"),
    };
    let level = summary.level.map_or_else(String::new, |level| {
        format!(", {:.1} LUFS levelled by {:+.1} dB", level.lufs, level.gain_db)
    });
    let (length, format, rate) = (duration(summary.seconds), &audio.format, audio.sample_rate);
    format!("{name}  ({length}, {format}, {rate} Hz {channels}{level})")
}

/// `3:07`, `1:02:03`, or `4.2 s` below a minute.
pub fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// The strongest classes, a line each with its activation drawn.
fn bars(info: &OutputInfo, mean: &[f64], top: usize) -> String {
    let mut order: Vec<usize> = (0..mean.len()).collect();
    order.sort_by(|&a, &b| mean[b].total_cmp(&mean[a]));
    order.truncate(top);
    let label = |class: usize| info.classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
    let width = order.iter().map(|&class| label(class).chars().count()).max().unwrap_or(0).max(12);
    let what = match info.meaning {
        Meaning::Classes => ": one of these",
        Meaning::Labels => ": any of these",
        _ => "",
    };
    let indent = if info.from_head { format!("    {}{what}\n", info.model) } else { String::new() };
    order.iter().fold(indent, |mut text, &class| {
        let _ = writeln!(text, "    {:width$}  {:.2}  {}", label(class), mean[class], bar(mean[class]));
        text
    })
}

/// A bar of eighths of a character for a value from 0 to 1.
fn bar(value: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (value.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}
