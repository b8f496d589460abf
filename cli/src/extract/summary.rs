//! The printed summary of a recording.

use std::fmt::Write;

use ndarray::ArrayView2;
use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, OutputInfo, Rows, Sink, Summary};

/// The width of a full bar in columns.
const BAR: usize = 24;

/// Sums an extractor's rows; memory does not grow with the recording.
pub struct Means {
    outputs: Vec<(OutputInfo, Vec<f64>)>,
    patches: u64,
}

impl Means {
    pub fn of(extractor: &Extractor) -> Self {
        let outputs = extractor.outputs().map(|info| (info.clone(), vec![0.0; info.dim])).collect();
        Means { outputs, patches: 0 }
    }

    fn add(&mut self, outputs: &[ArrayView2<'_, f32>]) {
        for ((_, sums), values) in self.outputs.iter_mut().zip(outputs) {
            for row in values.rows() {
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
    }

    /// Whether there was no patch.
    pub fn is_empty(&self) -> bool {
        self.patches == 0
    }

    /// The lines below a file's name: its strongest tags with bars, and its mean embedding.
    pub fn describe(&self, top: usize, extractor: &Extractor, seconds: f64) -> String {
        let mut text = String::new();
        if self.is_empty() {
            let _ = writeln!(text, "  {}: {}", extractor.model().name(), too_short(extractor, seconds));
            return text;
        }
        let _ = writeln!(text, "  {}, {} patches", extractor.model().name(), self.patches);
        for (info, sums) in &self.outputs {
            let mean: Vec<f64> = sums.iter().map(|sum| sum / self.patches as f64).collect();
            match info.purpose {
                Purpose::Predictions => text += &bars(info, &mean, top),
                _ => {
                    let norm = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
                    let what = if info.purpose == Purpose::Embeddings { "embedding" } else { &info.tensor };
                    let first: Vec<String> = mean.iter().take(4).map(|value| format!("{value:.3}")).collect();
                    let more = if mean.len() > 4 { ", ..." } else { "" };
                    let _ = writeln!(
                        text,
                        "    {what}: {} values, mean [{}{more}], norm {norm:.2}",
                        mean.len(),
                        first.join(", ")
                    );
                }
            }
        }
        text
    }
}

impl Sink for Means {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.add(rows.outputs);
        self.patches += rows.times.len() as u64;
        Ok(())
    }
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
    let indent = if info.from_head { format!("    {}\n", info.model) } else { String::new() };
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
