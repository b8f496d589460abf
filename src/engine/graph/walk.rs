//! Walking a graph's nodes in order: what each tensor's name stands for, and what a node's inputs are.

use std::collections::{HashMap, HashSet};

use super::constant::Constant;
use super::fold;
use super::view::View;
use crate::onnx::{Graph, Node, Tensor, ValueInfo, element};

/// What a tensor's name stands for: a constant, or something of `I` whose axes a view names.
#[derive(Clone)]
pub(in crate::engine) enum Value<I> {
    Constant(Constant),
    Tensor { id: I, view: View },
}

/// The values so far, by name.
pub(in crate::engine) struct Values<'a, I>(HashMap<&'a str, Value<I>>);

impl<'a, I: Clone> Values<'a, I> {
    /// Those of a graph's initialisers. One that cannot be read is an error only if a node uses it.
    pub fn of_initializers(graph: &'a Graph) -> Self {
        let read = |tensor: &'a Tensor| Some((tensor.name(), Value::Constant(Constant::read(tensor).ok()?)));
        Values(graph.initializer.iter().filter_map(read).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Value<I>> {
        self.0.get(name)
    }

    pub fn insert(&mut self, name: &'a str, value: Value<I>) {
        self.0.insert(name, value);
    }

    /// A node's inputs; those that are left out are `None`.
    pub fn inputs_of(&self, node: &Node) -> Result<Vec<Option<Value<I>>>, String> {
        if !matches!(node.domain(), "" | "ai.onnx") {
            return Err(format!("an operator of domain {}", node.domain()));
        }
        let value = |name: &String| match (name.as_str(), self.get(name)) {
            ("", _) => Ok(None),
            (_, Some(value)) => Ok(Some(value.clone())),
            (name, None) => Err(format!("its input `{name}` is unknown")),
        };
        node.input.iter().map(value).collect()
    }
}

/// What a node computes, if all of its inputs are constants.
pub(in crate::engine) fn folded<I>(
    node: &Node,
    inputs: &[Option<Value<I>>],
) -> Result<Option<Constant>, String> {
    let constants: Option<Vec<Option<&Constant>>> = inputs
        .iter()
        .map(|input| match input {
            None => Some(None),
            Some(Value::Constant(constant)) => Some(Some(constant)),
            Some(Value::Tensor { .. }) => None,
        })
        .collect();
    constants.map(|constants| fold::fold(node, &constants)).transpose()
}

/// The nodes that the outputs depend on, in order. The others are ignored.
pub(in crate::engine) fn needed_nodes(graph: &Graph) -> Result<impl Iterator<Item = &Node>, String> {
    let mut producer = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if producer.insert(output.as_str(), index).is_some() {
                return Err(format!("two nodes compute `{output}`"));
            }
        }
    }
    let mut needed = vec![false; graph.node.len()];
    let mut names: Vec<&str> = graph.output.iter().map(ValueInfo::name).collect();
    while let Some(name) = names.pop() {
        if let Some(&index) = producer.get(name)
            && !std::mem::replace(&mut needed[index], true)
        {
            names.extend(graph.node[index].input.iter().map(String::as_str));
        }
    }
    Ok(graph.node.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node))
}

/// The only input of a graph besides its initialisers, of floats, and its sizes: `None` for any.
pub(in crate::engine) fn only_input(graph: &Graph) -> Result<(&ValueInfo, Vec<Option<usize>>), String> {
    let initialisers: HashSet<&str> = graph.initializer.iter().map(Tensor::name).collect();
    let mut inputs = graph.input.iter().filter(|input| !initialisers.contains(input.name()));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err("not exactly one input".into());
    };
    if input.element() != element::F32 {
        return Err("the input is not 32-bit float".into());
    }
    let dims = input.declared().dims.ok_or("the input's shape is missing")?;
    Ok((input, dims))
}

/// The constant at a position of a node's inputs.
pub(in crate::engine) fn weights_of<I>(
    inputs: &[Option<Value<I>>],
    position: usize,
) -> Result<Constant, String> {
    match inputs.get(position).and_then(Option::as_ref) {
        Some(Value::Constant(constant)) => Ok(constant.clone()),
        Some(Value::Tensor { .. }) => Err(format!("its operand {position} is not constant")),
        None => Err(format!("its operand {position} is missing")),
    }
}

pub(in crate::engine) fn floats<I>(inputs: &[Option<Value<I>>], position: usize) -> Result<Vec<f32>, String> {
    Ok(weights_of(inputs, position)?.as_floats()?.to_vec())
}

/// A list that is an attribute in older operator sets and the second input in newer ones.
pub(in crate::engine) fn optional_ints<I>(
    node: &Node,
    inputs: &[Option<Value<I>>],
    name: &str,
) -> Result<Option<Vec<i64>>, String> {
    if inputs.get(1).is_some_and(Option::is_some) {
        return Ok(Some(weights_of(inputs, 1)?.as_ints()?.to_vec()));
    }
    Ok(node.ints(name).map(<[i64]>::to_vec))
}
