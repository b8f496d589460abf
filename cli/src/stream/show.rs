//! Formats the lines to print.

use std::io::Write;

use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, OutputInfo, Rows, Sink};

use crate::terminal;

/// Prints a line when the strongest classes change.
pub struct Lines {
    /// The output that is shown, and its index: the predictions, or else the first output.
    shown: OutputInfo,
    place: usize,
    top: usize,
    all: bool,
    last: Vec<usize>,
    patches: u64,
}

impl Lines {
    pub fn new(extractor: &Extractor, top: usize, all: bool) -> Self {
        let place = extractor.outputs().position(|output| output.purpose == Purpose::Predictions);
        let place = place.unwrap_or(0);
        let shown = extractor.outputs().nth(place).expect("an extractor has outputs").clone();
        Lines { shown, place, top, all, last: Vec::new(), patches: 0 }
    }

    /// Patches processed.
    pub fn patches(&self) -> u64 {
        self.patches
    }

    /// The line of a patch, if it is to be printed.
    fn line(&mut self, time: f64, values: &[f32]) -> Option<String> {
        let time = format!("{:3}:{:05.2}", (time / 60.0) as u64, time % 60.0);
        if self.shown.purpose != Purpose::Predictions {
            let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
            let first: Vec<String> = values.iter().take(4).map(|value| format!("{value:.3}")).collect();
            return Some(format!("{time}  [{}, ...], norm {norm:.2}", first.join(", ")));
        }
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        order.truncate(self.top);
        if order == self.last && !self.all {
            return None;
        }
        let label = |class: usize| match self.shown.classes.get(class) {
            Some(name) => name.clone(),
            None => format!("class {class}"),
        };
        let tags: Vec<String> =
            order.iter().map(|&class| format!("{} {:.2}", label(class), values[class])).collect();
        self.last = order;
        Some(format!("{time}  {}", tags.join(", ")))
    }
}

impl Sink for Lines {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        let mut output = std::io::stdout().lock();
        for (values, &time) in rows.outputs[self.place].rows().into_iter().zip(rows.times) {
            self.patches += 1;
            if let Some(line) = self.line(time, values.as_slice().expect("rows are contiguous")) {
                let written = writeln!(output, "{line}").and_then(|()| output.flush());
                written.map_err(|error| sleeve::Error::io(terminal::STDOUT, error))?;
            }
        }
        Ok(())
    }
}
