//! The output of a run: a progress bar on a terminal, and a line per epoch.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::numerals::thousands;

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u32,
    /// The number of epochs.
    pub of: u32,
    /// Optimizer steps of the run so far.
    pub steps: u64,
    /// Batches of this epoch, over all groups and processes.
    pub batches: u64,
    /// The learning rate.
    pub rate: f64,
    /// The scores on the training part.
    pub train: Scores,
    /// The scores on the validation part, if there is any.
    pub validation: Option<Scores>,
    /// Training patches per second, over all processes.
    pub patches_per_s: f64,
    /// The share of time in which the device waited for batches.
    pub waiting: f64,
    /// Duration in seconds, validation included.
    pub seconds: f64,
}

/// Loss and accuracy over a part of the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// The loss that is minimised.
    pub loss: f64,
    /// In-batch top-1 accuracy, if pairs are learnt.
    pub top1: Option<f64>,
    /// Those of each term of the loss.
    pub heads: Vec<TermScores>,
}

/// The scores of one term: of an association, of tags, or of what a teacher gives.
#[derive(Clone, Debug, PartialEq)]
pub struct TermScores {
    /// Its name.
    pub name: String,
    /// The mean loss.
    pub loss: f64,
    /// In-batch top-1 accuracy, if it learns pairs.
    pub top1: Option<f64>,
    /// Pairs, or patches where there are no pairs.
    pub items: u64,
}

impl Epoch {
    /// The epoch as one line.
    pub fn line(&self) -> String {
        let mut line = format!("epoch {:>3}/{}  train {}", self.number, self.of, self.train.short());
        if let Some(validation) = &self.validation {
            let _ = write!(line, "  validation {}", validation.short());
        }
        let _ = write!(
            line,
            "  rate {:.0e}  {} patches/s  waiting {:.0} %  {}",
            self.rate,
            thousands(self.patches_per_s.round() as u64),
            100.0 * self.waiting,
            clock(self.seconds)
        );
        line
    }
}

impl Scores {
    /// Loss and accuracy for that line.
    pub fn short(&self) -> String {
        match self.top1 {
            Some(top1) => format!("{:.4} ({:.1} %)", self.loss, 100.0 * top1),
            None => format!("{:.4}", self.loss),
        }
    }
}

/// A progress bar for the steps of an epoch, visible only on a terminal.
pub struct Bar {
    bar: ProgressBar,
    epochs_left: u32,
}

impl Bar {
    /// A bar for epoch `number` (from 1) of `of`. Unless `shown`, it counts but is hidden.
    pub fn new(number: u32, of: u32, steps: usize, shown: bool) -> Self {
        let bar = if shown { ProgressBar::new(steps as u64) } else { ProgressBar::hidden() };
        let style = "{prefix} [{wide_bar}] {pos}/{len} {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a valid template").progress_chars("=> "));
        bar.set_prefix(format!("epoch {number}/{of}"));
        Bar { bar, epochs_left: of - number }
    }

    /// Updates the bar after a step: loss and accuracy so far, patches per second.
    pub fn step(&self, loss: f64, top1: Option<f64>, patches_per_s: f64) {
        self.bar.inc(1);
        let top1 = top1.map_or_else(String::new, |top1| format!(" top-1 {:.1} %", 100.0 * top1));
        let epoch = self.bar.eta();
        let each = self.bar.duration();
        let all = epoch + each.saturating_mul(self.epochs_left);
        let left = |time: Duration| clock(time.as_secs_f64());
        self.bar.set_message(format!(
            "loss {loss:.4}{top1} {} patches/s, {} left, {} in all",
            thousands(patches_per_s.round() as u64),
            left(epoch),
            left(all)
        ));
    }

    /// Shows what happens after the last step.
    pub fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `1:02:03`, or `2:03` below an hour.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_an_epoch_went() {
        let scores = |loss, top1| Scores { loss, top1, heads: Vec::new() };
        let mut epoch = Epoch {
            number: 3,
            of: 100,
            steps: 12,
            batches: 24,
            rate: 1e-3,
            train: scores(4.25, Some(0.125)),
            validation: Some(scores(4.5, Some(0.1))),
            patches_per_s: 29_000.4,
            waiting: 0.012,
            seconds: 3723.0,
        };
        let line = "epoch   3/100  train 4.2500 (12.5 %)  validation 4.5000 (10.0 %)  rate 1e-3  29,000 patches/s  \
                    waiting 1 %  1:02:03";
        assert_eq!(epoch.line(), line);
        (epoch.validation, epoch.train.top1, epoch.patches_per_s) = (None, None, 7.0);
        assert!(epoch.line().starts_with("epoch   3/100  train 4.2500  rate 1e-3  7 patches/s"));
    }
}
