//! Turns what a graph computes after the pooling into a list of steps.

use std::collections::HashMap;

use super::expression::{Arena, Expression, Function, Id, Operation};
use super::matching::linear;
use super::trace::TracedOutput;
use crate::engine::OutputSpec;
use crate::engine::effnet::network::purpose;
use crate::engine::effnet::tail::{Activation, Arithmetic, Slot, Step, Tail};

/// More values than any classifier has.
const MAX_VALUES: usize = 1 << 16;
/// More steps than any classifier has.
const MAX_STEPS: usize = 256;

/// The steps to every output, the descriptions of the outputs, and the pooled features that all of them start from.
pub(super) fn tail(arena: &Arena, outputs: &[TracedOutput]) -> Result<(Tail, Vec<OutputSpec>, Id), String> {
    let pooled = pooled_features(arena, outputs)?;
    let mut tail =
        Tail { steps: vec![Step::Pooled], dims: vec![arena.size(pooled).channels], ..Tail::default() };
    let mut slots = HashMap::from([(pooled, 0)]);
    let mut specs = Vec::new();
    for output in outputs {
        let slot = place(arena, output.id, &mut tail, &mut slots)?;
        tail.outputs.push(slot);
        let is_activation = matches!(tail.steps[slot], Step::Map(Activation::Sigmoid, _) | Step::Softmax(_));
        specs.push(OutputSpec {
            name: output.name.clone(),
            purpose: purpose(slot == 0, is_activation),
            dim: tail.dims[slot],
        });
    }
    Ok((tail, specs, pooled))
}

/// The pooling that is nearest to every output; it must be the same one for all.
fn pooled_features(arena: &Arena, outputs: &[TracedOutput]) -> Result<Id, String> {
    let mut pooled = None;
    let mut seen = std::collections::HashSet::new();
    let mut open: Vec<Id> = outputs.iter().map(|output| output.id).collect();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match arena.get(id) {
            Expression::Pool(_) => match pooled.replace(id) {
                Some(other) if other != id => return Err("outputs depend on two poolings".into()),
                _ => {}
            },
            Expression::Input | Expression::Pad { .. } => {
                return Err("an output that does not depend on a pooling".into());
            }
            expression => open.extend(operands(expression)),
        }
    }
    pooled.ok_or_else(|| "no pooling over a map".into())
}

fn operands(expression: &Expression) -> Vec<Id> {
    match expression {
        Expression::Input => vec![],
        Expression::Affine { x, .. } | Expression::Pad { x, .. } | Expression::LayerNorm { x, .. } => {
            vec![*x]
        }
        Expression::Conv(conv) => vec![conv.x],
        Expression::Pool(x) | Expression::Function(_, x) | Expression::Mean(x) => vec![*x],
        Expression::Binary(_, a, b) => vec![*a, *b],
    }
}

/// Adds an expression's steps to the list, operands first. Without recursion, because a file could nest expressions to
/// any depth.
fn place(arena: &Arena, wanted: Id, tail: &mut Tail, slots: &mut HashMap<Id, Slot>) -> Result<Slot, String> {
    let mut open = vec![wanted];
    while let Some(&id) = open.last() {
        if slots.contains_key(&id) {
            open.pop();
            continue;
        }
        let expression = arena.get(id);
        let missing: Vec<Id> = operands(expression).into_iter().filter(|x| !slots.contains_key(x)).collect();
        if !missing.is_empty() {
            open.extend(missing);
            continue;
        }
        if tail.steps.len() >= MAX_STEPS {
            return Err("too many steps after the pooling".into());
        }
        if arena.size(id).channels > MAX_VALUES {
            return Err(format!("{} values per patch after the pooling", arena.size(id).channels));
        }
        let step = step(expression, tail, slots)?;
        slots.insert(id, tail.steps.len());
        tail.steps.push(step);
        tail.dims.push(arena.size(id).channels);
        open.pop();
    }
    Ok(slots[&wanted])
}

fn step(expression: &Expression, tail: &mut Tail, slots: &HashMap<Id, Slot>) -> Result<Step, String> {
    Ok(match expression {
        Expression::Affine { x, scale, shift } => {
            Step::Affine { x: slots[x], scale: scale.to_vec(), shift: shift.to_vec() }
        }
        Expression::Conv(conv) => {
            tail.linears.push(linear(conv, "a dense layer")?);
            Step::Linear { x: slots[&conv.x], linear: tail.linears.len() - 1 }
        }
        Expression::Function(Function::Softmax, x) => Step::Softmax(slots[x]),
        Expression::Function(function, x) => Step::Map(activation(*function)?, slots[x]),
        Expression::Binary(operation, a, b) => Step::Binary(
            match operation {
                Operation::Add => Arithmetic::Add,
                Operation::Sub => Arithmetic::Sub,
                Operation::Mul => Arithmetic::Mul,
                Operation::Div => Arithmetic::Div,
            },
            slots[a],
            slots[b],
        ),
        Expression::Mean(x) => Step::Mean(slots[x]),
        Expression::LayerNorm { x, scale, shift, epsilon } => {
            Step::LayerNorm { x: slots[x], scale: scale.to_vec(), shift: shift.to_vec(), epsilon: *epsilon }
        }
        Expression::Input | Expression::Pad { .. } | Expression::Pool(_) => {
            return Err("a map where a vector is expected".into());
        }
    })
}

fn activation(function: Function) -> Result<Activation, String> {
    Ok(match function {
        Function::Sigmoid => Activation::Sigmoid,
        Function::Silu => Activation::Silu,
        Function::Relu => Activation::Relu,
        Function::Tanh => Activation::Tanh,
        Function::Exp => Activation::Exp,
        Function::Sqrt => Activation::Sqrt,
        Function::Reciprocal => Activation::Reciprocal,
        Function::Softmax => return Err("a softmax is not a function of one value".into()),
    })
}
