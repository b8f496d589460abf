//! Tags over time, below the spectrogram.

use std::io::{self, Write};

use super::axes::{self, Area};
use super::canvas::{Anchor, Canvas, FAINT, INK};
use super::colour;
use super::spectrogram::{self, Columns};

/// Activations of classes over patches, averaged over time in bounded memory.
pub struct TagRows {
    classes: Vec<String>,
    /// Seconds from one patch to the next, and in a patch.
    hop: f64,
    patch: f64,
    /// Sums over `per` patches, flat, one row per group.
    sums: Vec<f32>,
    per: usize,
    last: usize,
    totals: Vec<f64>,
    patches: u64,
}

/// The maximum number of groups of patches, after which neighbours are averaged.
const MAX_GROUPS: usize = 4096;

impl TagRows {
    /// Empty, for patches of `patch` seconds with a hop of `hop` seconds.
    pub fn new(classes: &[String], hop: f64, patch: f64) -> Self {
        let totals = vec![0.0; classes.len()];
        TagRows {
            classes: classes.to_vec(),
            hop,
            patch,
            sums: Vec::new(),
            per: 1,
            last: 0,
            totals,
            patches: 0,
        }
    }

    /// Adds the activations of a patch.
    pub fn push<'a>(&mut self, activations: impl Iterator<Item = &'a f32>) {
        let classes = self.classes.len();
        if self.last == self.per || self.sums.is_empty() {
            if self.sums.len() == MAX_GROUPS * classes {
                self.halve();
            }
            self.sums.resize(self.sums.len() + classes, 0.0);
            self.last = 0;
        }
        let group = self.sums.len() - classes;
        for ((sum, total), &value) in self.sums[group..].iter_mut().zip(&mut self.totals).zip(activations) {
            *sum += value;
            *total += f64::from(value);
        }
        self.last += 1;
        self.patches += 1;
    }

    fn halve(&mut self) {
        let classes = self.classes.len();
        let pairs = self.sums.chunks_exact(2 * classes);
        self.sums = pairs
            .flat_map(|pair| (0..classes).map(move |class| pair[class] + pair[classes + class]))
            .collect();
        self.per *= 2;
        self.last = self.per;
    }

    /// The activation of a class around a time; `None` without a patch there.
    fn at(&self, class: usize, seconds: f64) -> Option<f32> {
        if self.patches == 0 || seconds > (self.patches - 1) as f64 * self.hop + self.patch {
            return None;
        }
        // The patch whose middle is nearest.
        let patch = ((seconds - 0.5 * self.patch) / self.hop).round().clamp(0.0, (self.patches - 1) as f64);
        let group = patch as usize / self.per;
        let groups = self.sums.len() / self.classes.len();
        let weight = if group + 1 == groups { self.last } else { self.per };
        Some(self.sums[group * self.classes.len() + class] / weight as f32)
    }
}

/// Draws the spectrogram, and below it the `top` classes that are strongest on average, as PNG.
///
/// # Errors
/// Those of `to`.
pub fn draw(rows: &TagRows, columns: &Columns, title: &str, top: usize, to: impl Write) -> io::Result<()> {
    const ROW: usize = 26;
    let mut order: Vec<usize> = (0..rows.classes.len()).collect();
    order.sort_by(|&a, &b| rows.totals[b].total_cmp(&rows.totals[a]));
    order.truncate(top);

    let upper = Area { x: 150, y: 48, width: 930, height: 190 };
    let lower = Area { y: upper.y + upper.height + 26, height: (ROW * order.len()).max(ROW), ..upper };
    let mut canvas = Canvas::new(1200, lower.y + lower.height + 56);
    let title = canvas.fitted(title, 17.0, 1150.0 - upper.x as f32);
    canvas.text(&title, upper.x as f32, 24.0, 17.0, Anchor::Left, INK);
    spectrogram::panel(&mut canvas, upper, columns);

    let seconds = columns.seconds();
    for (row, &class) in order.iter().enumerate() {
        let y = lower.y + row * ROW;
        for x in 0..lower.width {
            let time = (x as f64 + 0.5) / lower.width as f64 * seconds;
            if let Some(value) = rows.at(class, time) {
                canvas.fill(lower.x + x, y, 1, ROW, colour::activation(value));
            }
        }
        if row > 0 {
            axes::gap(&mut canvas, lower.x, y - 1, lower.width);
        }
        let middle = y as f32 + 0.5 * ROW as f32;
        let label = canvas.fitted(&rows.classes[class], 13.5, lower.x as f32 - 20.0);
        canvas.text(&label, lower.x as f32 - 10.0, middle, 13.5, Anchor::Right, INK);
    }
    axes::frame(&mut canvas, lower);
    let bar = Area { x: lower.x + lower.width + 20, width: 14, ..lower };
    axes::colour_bar(&mut canvas, bar, colour::activation, (0.0, 1.0), 0.2, "activation");
    if rows.patches == 0 {
        let (x, y) = (lower.x as f32 + 0.5 * lower.width as f32, lower.y as f32 + 0.5 * lower.height as f32);
        canvas.text("no complete patch", x, y, 14.0, Anchor::Middle, FAINT);
    }
    axes::time(&mut canvas, lower, seconds);
    canvas.write(to)
}
