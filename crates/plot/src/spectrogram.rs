//! A mel-spectrogram with time in seconds and frequency in Hz.

use std::io::{self, Write};

use sleeve::front_end::musicnn::{BANDS, HOP, SAMPLE_RATE};

use super::axes::{self, Area};
use super::canvas::{Anchor, Canvas, FAINT, INK};
use super::colour;

/// The maximum number of columns, after which neighbours are averaged; at least twice the widest picture.
const MAX_COLUMNS: usize = 4096;

/// A spectrogram that is averaged over time, in memory that does not grow with the recording.
pub struct Columns {
    /// Sums over `per` frames each, flat, `BANDS` values per column; the last may be over fewer.
    sums: Vec<f32>,
    per: usize,
    /// Frames in the last column.
    last: usize,
    frames: u64,
}

impl Default for Columns {
    fn default() -> Self {
        Self::new()
    }
}

impl Columns {
    /// An empty spectrogram.
    pub fn new() -> Self {
        Columns { sums: Vec::new(), per: 1, last: 0, frames: 0 }
    }

    /// Adds mel frames, `BANDS` values each.
    pub fn push(&mut self, frames: &[f32]) {
        for frame in frames.chunks_exact(BANDS) {
            if self.last == self.per || self.sums.is_empty() {
                if self.sums.len() == MAX_COLUMNS * BANDS {
                    self.halve();
                }
                self.sums.resize(self.sums.len() + BANDS, 0.0);
                self.last = 0;
            }
            let column = self.sums.len() - BANDS;
            self.sums[column..].iter_mut().zip(frame).for_each(|(sum, value)| *sum += value);
            self.last += 1;
            self.frames += 1;
        }
    }

    /// Seconds of audio so far.
    pub fn seconds(&self) -> f64 {
        (self.frames * HOP as u64) as f64 / f64::from(SAMPLE_RATE)
    }

    fn halve(&mut self) {
        let halved: Vec<f32> = self
            .sums
            .chunks_exact(2 * BANDS)
            .flat_map(|pair| (0..BANDS).map(move |band| pair[band] + pair[BANDS + band]))
            .collect();
        self.sums = halved;
        self.per *= 2;
        self.last = self.per;
    }

    /// The mean spectra of `width` equal intervals of time.
    fn resized(&self, width: usize) -> Vec<[f32; BANDS]> {
        let columns = self.sums.len() / BANDS;
        let scale = self.frames as f64 / self.per as f64 / width as f64;
        (0..width)
            .map(|x| {
                let first = ((x as f64 * scale) as usize).min(columns.saturating_sub(1));
                let end = (((x + 1) as f64 * scale).ceil() as usize).clamp(first + 1, columns.max(first + 1));
                let mut mean = [0.0_f32; BANDS];
                let mut weight = 0.0;
                for column in first..end.min(columns) {
                    let values = &self.sums[column * BANDS..][..BANDS];
                    mean.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                    weight += if column + 1 == columns { self.last } else { self.per } as f32;
                }
                mean.map(|sum| if weight > 0.0 { sum / weight } else { 0.0 })
            })
            .collect()
    }
}

/// Draws only a spectrogram, as PNG: 1,200 x 480 pixels.
///
/// # Errors
/// Those of `to`.
pub fn draw(columns: &Columns, title: &str, to: impl Write) -> io::Result<()> {
    let mut canvas = Canvas::new(1200, 480);
    let area = Area { x: 76, y: 48, width: 1030, height: 368 };
    let title = canvas.fitted(title, 17.0, area.width as f32);
    canvas.text(&title, area.x as f32, 24.0, 17.0, Anchor::Left, INK);
    panel(&mut canvas, area, columns);
    axes::time(&mut canvas, area, columns.seconds());
    canvas.write(to)
}

/// Draws the values, the frequency axis and the colour scale.
pub(crate) fn panel(canvas: &mut Canvas, area: Area, columns: &Columns) {
    let values = columns.resized(area.width);
    let high = brightest(&values);
    for (x, spectrum) in values.iter().enumerate() {
        for row in 0..area.height {
            let band = (area.height - 1 - row) * BANDS / area.height;
            canvas.set(area.x + x, area.y + row, colour::sound(spectrum[band] / high));
        }
    }
    axes::frame(canvas, area);
    for (hertz, label) in
        [(250.0, "250"), (500.0, "500"), (1000.0, "1 k"), (2000.0, "2 k"), (4000.0, "4 k"), (8000.0, "8 k")]
    {
        // Band i's triangle peaks at edge i + 1 of 98; its row of pixels is centred half a band higher.
        let band = mel(hertz) / mel(8000.0) * (BANDS + 1) as f32 - 0.5;
        let y = area.y as f32 + area.height as f32 * (1.0 - band / BANDS as f32);
        let y = y.clamp(area.y as f32, (area.y + area.height - 1) as f32);
        canvas.fill(area.x - 5, y as usize, 5, 1, INK);
        canvas.text(label, area.x as f32 - 9.0, y, 13.0, Anchor::Right, INK);
    }
    canvas.text("Hz", area.x as f32 - 9.0, area.y as f32 - 14.0, 12.0, Anchor::Right, FAINT);
    let bar = Area { x: area.x + area.width + 20, y: area.y, width: 14, height: area.height };
    axes::colour_bar(canvas, bar, colour::sound, (0.0, high), 1.0, "log energy");
}

/// The top of the colour scale: above nearly every value, with a minimum so that silence stays dark.
fn brightest(values: &[[f32; BANDS]]) -> f32 {
    let mut all: Vec<f32> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    all.sort_by(f32::total_cmp);
    let index = (all.len() as f64 * 0.999) as usize;
    all.get(index.min(all.len().saturating_sub(1))).copied().unwrap_or(1.0).max(1.0)
}

/// Slaney's mel scale, up to a constant factor.
fn mel(hertz: f32) -> f32 {
    if hertz < 1000.0 { 0.015 * hertz } else { 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4_f32.ln() }
}
