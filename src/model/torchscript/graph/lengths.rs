//! Lengths of axes, and what graphs compute from them: the part of a graph that decides shapes for any batch.

use super::{Value, Writer, integer, known, operator};
use crate::onnx::{Node, element};

/// The most lengths that are kept. Shapes have fewer.
const MOST: usize = 64;

/// A length, or a number computed from lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(i64),
    /// An expression.
    Read(String),
}

/// A tensor of integers that describes a shape.
#[derive(Clone, Debug)]
pub(super) struct Lengths {
    pub values: Vec<Length>,
    /// Whether it is a number, not a list.
    is_number: bool,
}

impl Length {
    pub fn code(&self) -> String {
        match self {
            Length::Known(value) => value.to_string(),
            Length::Read(code) => code.clone(),
        }
    }

    fn combined(function: &str, a: &Length, b: &Length) -> Result<Length, String> {
        let (Length::Known(a), Length::Known(b)) = (a, b) else {
            return Ok(Length::Read(format!("torch.{function}({}, {})", a.code(), b.code())));
        };
        let value = match function {
            "add" => a.checked_add(*b),
            "sub" => a.checked_sub(*b),
            "mul" => a.checked_mul(*b),
            _ => a.checked_div(*b),
        };
        value.map(Length::Known).ok_or_else(|| "its lengths cannot be computed".into())
    }
}

impl<'a> Writer<'a> {
    /// The lengths that a name stands for: computed ones, or a constant list of integers.
    pub(super) fn lengths_of(&self, name: &str) -> Option<Lengths> {
        if let Some(lengths) = self.lengths.get(name) {
            return Some(lengths.clone());
        }
        let original = self.aliases.get(name).copied().unwrap_or(name);
        let tensor = self.constants.get(original)?;
        let is_list = tensor.dims.len() <= 1 && !tensor.is_external();
        if !is_list || !matches!(tensor.data_type(), element::I64 | element::I32) {
            return None;
        }
        let values: Vec<i64> = tensor.integers().ok().filter(|values: &Vec<i64>| values.len() <= MOST)?;
        let is_number = tensor.dims.is_empty();
        Some(Lengths { values: values.into_iter().map(Length::Known).collect(), is_number })
    }

    /// Computes a node on lengths. Returns whether it is one.
    pub(super) fn length(&mut self, node: &'a Node, output: &'a str) -> Result<bool, String> {
        if operator(node) == "Shape" {
            known(node, &[])?;
            let Value { code, rank, .. } = self.first(node)?;
            let values = (0..rank).map(|axis| Length::Read(format!("torch.size({code}, {axis})"))).collect();
            self.lengths.insert(output, Lengths { values, is_number: false });
            return Ok(true);
        }
        let inputs: Option<Vec<Lengths>> = node.input.iter().map(|name| self.lengths_of(name)).collect();
        let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else { return Ok(false) };
        let Some(lengths) = computed(node, &inputs)? else { return Ok(false) };
        if lengths.values.len() > MOST {
            return Err("it computes too many lengths".into());
        }
        self.lengths.insert(output, lengths);
        Ok(true)
    }
}

/// What a node computes of lengths; `None` if lengths are nothing special for it.
fn computed(node: &Node, inputs: &[Lengths]) -> Result<Option<Lengths>, String> {
    let first = &inputs[0];
    let pair = || match inputs {
        [a, b] => Ok((a, b)),
        _ => Err(format!("it has {} inputs", inputs.len())),
    };
    let combined = |function: &str| {
        let (a, b) = pair()?;
        each(a, b, |a, b| Length::combined(function, a, b)).map(Some)
    };
    Ok(match operator(node) {
        "Identity" => Some(first.clone()),
        "Cast" => {
            let type_of = integer(node, "to", 0)?;
            let is_integer = matches!(type_of, element::I64 | element::I32);
            is_integer.then(|| first.clone())
        }
        "Add" => combined("add")?,
        "Sub" => combined("sub")?,
        "Mul" => combined("mul")?,
        // Lengths are not negative, so that it does not matter which way is rounded.
        "Div" => combined("floordiv")?,
        "Equal" => {
            let (a, b) = pair()?;
            Some(each(a, b, |a, b| match (a, b) {
                (Length::Known(a), Length::Known(b)) => Ok(Length::Known((a == b).into())),
                // A length is never negative.
                (Length::Known(value), Length::Read(_)) | (Length::Read(_), Length::Known(value))
                    if *value < 0 =>
                {
                    Ok(Length::Known(0))
                }
                _ => Err("it compares lengths that depend on the input".into()),
            })?)
        }
        "Where" => {
            let [condition, yes, no] = inputs else { return Err("it does not have three inputs".into()) };
            let count = [condition, yes, no].map(|list| list.values.len()).into_iter().max().unwrap_or(0);
            let fits = |list: &Lengths| list.values.len() == 1 || list.values.len() == count;
            if ![condition, yes, no].into_iter().all(fits) {
                return Err("its inputs have different lengths".into());
            }
            let values: Result<Vec<Length>, String> = (0..count)
                .map(|at| match pick(condition, at) {
                    Length::Known(0) => Ok(pick(no, at)),
                    Length::Known(_) => Ok(pick(yes, at)),
                    Length::Read(_) => Err("its condition depends on the input".into()),
                })
                .collect();
            Some(Lengths { values: values?, is_number: false })
        }
        "Concat" => Some(Lengths {
            values: inputs.iter().flat_map(|input| input.values.clone()).collect(),
            is_number: false,
        }),
        "Unsqueeze" => Some(Lengths { is_number: false, ..first.clone() }),
        "Squeeze" => Some(Lengths { is_number: first.values.len() == 1, ..first.clone() }),
        "Gather" => {
            let (_, indices) = pair()?;
            let values: Result<Vec<Length>, String> =
                indices.values.iter().map(|index| at(first, index)).collect();
            Some(Lengths { values: values?, is_number: indices.is_number })
        }
        "Slice" => Some(cut(inputs)?),
        "ConstantOfShape" => {
            let value = node.attribute("value").and_then(|value| value.t.as_deref());
            let value: Option<Vec<i64>> = value.and_then(|tensor| tensor.integers().ok());
            match (value.as_deref(), &first.values[..]) {
                (Some(&[value]), &[Length::Known(count @ 0..=64)]) => {
                    Some(Lengths { values: vec![Length::Known(value); count as usize], is_number: false })
                }
                _ => None,
            }
        }
        _ => None,
    })
}

/// Combines two lists value by value; a single value goes with all.
fn each(
    a: &Lengths,
    b: &Lengths,
    combine: impl Fn(&Length, &Length) -> Result<Length, String>,
) -> Result<Lengths, String> {
    let count = match (a.values.len(), b.values.len()) {
        (x, y) if x == y => x,
        (1, y) => y,
        (x, 1) => x,
        (x, y) => return Err(format!("it combines {x} lengths with {y}")),
    };
    let values: Result<Vec<Length>, String> =
        (0..count).map(|at| combine(&pick(a, at), &pick(b, at))).collect();
    Ok(Lengths { values: values?, is_number: a.is_number && b.is_number })
}

/// The value for place `at`; a single value is that of every place.
fn pick(list: &Lengths, at: usize) -> Length {
    list.values[if list.values.len() == 1 { 0 } else { at }].clone()
}

fn at(list: &Lengths, index: &Length) -> Result<Length, String> {
    let Length::Known(index) = *index else { return Err("its index depends on the input".into()) };
    let count = list.values.len() as i64;
    let counted = if index < 0 { index + count } else { index };
    let found = usize::try_from(counted).ok().and_then(|index| list.values.get(index));
    found.cloned().ok_or_else(|| format!("its index {index} is outside of {count} lengths"))
}

/// A slice of a list: data, starts, ends, and perhaps axes and steps of 0 and 1.
fn cut(inputs: &[Lengths]) -> Result<Lengths, String> {
    let single = |list: Option<&Lengths>, otherwise: i64| match list.map(|list| &list.values[..]) {
        None => Ok(otherwise),
        Some(&[Length::Known(value)]) => Ok(value),
        Some(_) => Err(String::from("its limits depend on the input")),
    };
    let list = &inputs[0].values;
    let count = list.len() as i64;
    if single(inputs.get(3), 0)? != 0 || single(inputs.get(4), 1)? != 1 {
        return Err("it cuts lengths along another axis or in steps".into());
    }
    let limit =
        |value: i64| if value < 0 { value.saturating_add(count) } else { value }.clamp(0, count) as usize;
    let (start, end) = (limit(single(inputs.get(1), 0)?), limit(single(inputs.get(2), count)?));
    Ok(Lengths { values: list[start..end.max(start)].to_vec(), is_number: false })
}
