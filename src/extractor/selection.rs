//! Which outputs an extractor gives: whole outputs of the model, and what is derived from them.

use super::{OutputInfo, pitch, tempo};
use crate::engine::Purpose;
use crate::model::{Meaning, Model};
use crate::{Error, Result};

/// An output of the model, or something that is computed from its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The model's output.
    pub index: usize,
    pub part: Part,
}

/// What is made of the values of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// They are given as they are.
    Whole,
    /// Of a transformer's tokens, each of `width` values: those of MTG's MAEST models are the class token, the
    /// distillation token, and one for each piece of the signal.
    Tokens(Tokens, usize),
    /// `[BPM, probability]`.
    Tempo,
    /// `[Hz, confidence]`.
    Pitch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// The class token.
    Class,
    /// The distillation token.
    Distillation,
    /// The mean of the tokens of the signal.
    Mean,
    /// These three, one after the other.
    Stack,
}

/// Behind an output's name and a colon.
const TOKENS: [(&str, Tokens); 4] = [
    ("cls", Tokens::Class),
    ("dist", Tokens::Distillation),
    ("mean", Tokens::Mean),
    ("stack", Tokens::Stack),
];
/// The name of all tokens.
const ALL_TOKENS: &str = "tokens";

impl Selection {
    /// What is given if nothing is selected: every output with a known purpose, or all outputs if none has one.
    pub fn by_default(model: &Model) -> Vec<Selection> {
        let outputs = model.outputs();
        let known: Vec<usize> =
            (0..outputs.len()).filter(|&index| outputs[index].purpose != Purpose::Other).collect();
        let indices = if known.is_empty() { (0..outputs.len()).collect() } else { known };
        let mut selections: Vec<Selection> =
            indices.into_iter().map(|index| Selection { index, part: Part::usual(model, index) }).collect();
        let derived: Vec<Selection> =
            selections.iter().filter_map(|selection| selection.reading(model)).collect();
        selections.extend(derived);
        selections
    }

    /// What a name selects: a purpose (`embeddings`, `predictions`), the name of a tensor, one of these with a part of
    /// its tokens (`embeddings:cls`), or a reading (`tempo`, `pitch`).
    ///
    /// # Errors
    /// `Model` with the outputs that there are.
    pub fn named(model: &Model, name: &str) -> Result<Selection> {
        let by_name = |name: &str| {
            let index = match name {
                "embeddings" => model.output(Purpose::Embeddings),
                "predictions" => model.output(Purpose::Predictions),
                _ => None,
            };
            index.or_else(|| model.output_named(name))
        };
        if let Some(index) = model.output_named(name) {
            // A tensor by its own name is given whole, if its name is not that of its purpose.
            let part = if name == "embeddings" { Part::usual(model, index) } else { Part::Whole };
            return Ok(Selection { index, part });
        }
        if let Some(index) = by_name(name) {
            return Ok(Selection { index, part: Part::usual(model, index) });
        }
        if let Some((output, part)) = name.rsplit_once(':')
            && let Some(index) = by_name(output)
            && let Some((_, width)) = model.tokens(index)
        {
            if part == ALL_TOKENS {
                return Ok(Selection { index, part: Part::Whole });
            }
            if let Some((_, tokens)) = TOKENS.iter().find(|(known, _)| *known == part) {
                return Ok(Selection { index, part: Part::Tokens(*tokens, width) });
            }
        }
        let readings = Self::by_default(model).into_iter().filter(|selection| selection.part.is_reading());
        let readings: Vec<Selection> = readings.collect();
        if let Some(reading) = readings.iter().find(|reading| reading.describe(model).tensor == name) {
            return Ok(*reading);
        }
        let mut names: Vec<String> = model.outputs().iter().map(|output| output.name.clone()).collect();
        names.extend(readings.iter().map(|reading| reading.describe(model).tensor));
        let parts = match (0..model.outputs().len()).any(|index| model.tokens(index).is_some()) {
            true => "; those of tokens also with :cls, :dist, :mean, :stack or :tokens behind their names",
            false => "",
        };
        Err(Error::model(model.name(), format!("has no output `{name}`; it has {}{parts}", names.join(", "))))
    }

    /// The tempo or pitch that is read from it.
    fn reading(&self, model: &Model) -> Option<Selection> {
        let part = match model.meaning(self.index) {
            Meaning::TempoClasses => Part::Tempo,
            Meaning::PitchBins => Part::Pitch,
            _ => return None,
        };
        Some(Selection { index: self.index, part })
    }

    /// Values per row.
    pub fn dim(&self, model: &Model) -> usize {
        match self.part {
            Part::Whole => model.outputs()[self.index].dim,
            Part::Tokens(Tokens::Stack, width) => 3 * width,
            Part::Tokens(_, width) => width,
            Part::Tempo | Part::Pitch => 2,
        }
    }

    /// The output as users see it.
    pub fn describe(&self, model: &Model) -> OutputInfo {
        let output = &model.outputs()[self.index];
        let named = output.purpose == Purpose::Predictions && model.classes().len() == output.dim;
        let whole = OutputInfo {
            model: model.name().to_owned(),
            tensor: output.name.clone(),
            purpose: output.purpose,
            dim: self.dim(model),
            classes: if named { model.classes().to_vec() } else { Vec::new() },
            meaning: model.meaning(self.index),
            from_head: model.is_head(),
        };
        let reading = |tensor: &str, meaning, classes: [&str; 2]| OutputInfo {
            tensor: tensor.to_owned(),
            purpose: Purpose::Other,
            classes: classes.map(str::to_owned).to_vec(),
            meaning,
            ..whole.clone()
        };
        match self.part {
            Part::Whole => whole,
            Part::Tokens(tokens, _) => {
                let (suffix, _) = TOKENS.iter().find(|(_, known)| *known == tokens).expect("it is listed");
                OutputInfo { tensor: format!("{}:{suffix}", output.name), ..whole }
            }
            Part::Tempo => reading("tempo", Meaning::Tempo, ["bpm", "probability"]),
            Part::Pitch => reading("pitch", Meaning::Pitch, ["hz", "confidence"]),
        }
    }
}

impl Part {
    /// An output as it is used: the tokens of an embedding stacked, everything else whole.
    fn usual(model: &Model, index: usize) -> Part {
        match model.tokens(index) {
            Some((_, width)) => Part::Tokens(Tokens::Stack, width),
            None => Part::Whole,
        }
    }

    fn is_reading(self) -> bool {
        matches!(self, Part::Tempo | Part::Pitch)
    }

    /// Appends what it is of a row of its output.
    pub fn append(self, row: &[f32], out: &mut Vec<f32>) {
        match self {
            Part::Whole => out.extend_from_slice(row),
            Part::Tempo => out.extend(tempo::of_classes(row)),
            Part::Pitch => out.extend(pitch::of_bins(row)),
            Part::Tokens(Tokens::Class, width) => out.extend_from_slice(&row[..width]),
            Part::Tokens(Tokens::Distillation, width) => out.extend_from_slice(&row[width..2 * width]),
            Part::Tokens(Tokens::Mean, width) => {
                let tokens = row[2 * width..].chunks_exact(width);
                let count = tokens.len() as f64;
                let mean = |value: usize| {
                    let sum: f64 = tokens.clone().map(|token| f64::from(token[value])).sum();
                    (sum / count) as f32
                };
                out.extend((0..width).map(mean));
            }
            Part::Tokens(Tokens::Stack, width) => {
                for part in [Tokens::Class, Tokens::Distillation, Tokens::Mean] {
                    Part::Tokens(part, width).append(row, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_apart() {
        let row = [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0];
        let of = |tokens| {
            let mut out = Vec::new();
            Part::Tokens(tokens, 2).append(&row, &mut out);
            out
        };
        assert_eq!(of(Tokens::Class), [1.0, 2.0]);
        assert_eq!(of(Tokens::Distillation), [3.0, 4.0]);
        assert_eq!(of(Tokens::Mean), [20.0, 30.0]);
        assert_eq!(of(Tokens::Stack), [1.0, 2.0, 3.0, 4.0, 20.0, 30.0]);
    }
}
