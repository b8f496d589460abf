//! The graph that is being rewritten: what is known of its values, and the nodes that replace those of the file.

use std::collections::{HashMap, HashSet};

use super::facts::{self, Fact};
use crate::onnx::{Attribute, Graph, Model, Node, Tensor, ValueInfo, element};

/// Maximum size of a constant that is looked at, if it is stored as numbers.
const MAX_COPIED: usize = 1 << 24;

/// A graph under construction.
pub(super) struct Draft {
    /// The version of the default operators.
    pub opset: i64,
    facts: HashMap<String, Fact>,
    /// What the file says of values, for those of which nothing else is known.
    declared: HashMap<String, Fact>,
    constants: HashMap<String, Tensor>,
    /// The operators that take a value, by its name.
    takers: HashMap<String, Vec<String>>,
    /// Names of the graph's outputs.
    outputs: HashSet<String>,
    prefix: String,
    made: usize,
    pub nodes: Vec<Node>,
    pub initializers: Vec<Tensor>,
}

impl Draft {
    pub fn new(model: &Model, opset: i64) -> Draft {
        let Graph { node, initializer, input, output, value_info, .. } = &model.graph;
        let mut facts: HashMap<String, Fact> = HashMap::new();
        let fact = |value: &ValueInfo| {
            let rank = value.declared().dims.map(|dims| dims.len());
            (value.name().to_owned(), Fact { element: value.element(), rank })
        };
        facts.extend(input.iter().map(fact));
        let declared = value_info.iter().map(fact).collect();
        let mut constants = HashMap::new();
        for tensor in initializer {
            facts.insert(tensor.name().to_owned(), Fact::of(tensor));
            // Its bytes are shared, numbers would be copied.
            if tensor.copied_bytes() <= MAX_COPIED {
                constants.insert(tensor.name().to_owned(), tensor.clone());
            }
        }
        let mut takers: HashMap<String, Vec<String>> = HashMap::new();
        for node in node {
            // A conversion to floats is not of interest.
            let is_cast = node.op_type() == "Cast";
            let to_float = matches!(node.int("to"), Some(element::F32 | element::F16 | element::F64));
            let taker = if is_cast && to_float { "" } else { node.op_type() };
            for name in &node.input {
                takers.entry(name.clone()).or_default().push(taker.to_owned());
            }
        }
        let outputs: HashSet<String> = output.iter().map(|value| value.name().to_owned()).collect();
        let mut prefix = String::from("repair");
        let names = || {
            let made = node.iter().flat_map(|node| node.input.iter().chain(&node.output));
            made.chain(facts.keys()).chain(&outputs)
        };
        while names().any(|name| name.starts_with(&prefix)) {
            prefix.push('_');
        }
        let (nodes, initializers) = (Vec::new(), Vec::new());
        Draft { opset, facts, declared, constants, takers, outputs, prefix, made: 0, nodes, initializers }
    }

    /// The ONNX type of a value's elements; 0 if it is not known.
    pub fn element(&self, name: &str) -> i64 {
        let element = |facts: &HashMap<String, Fact>| facts.get(name).map_or(0, |fact| fact.element);
        match element(&self.facts) {
            0 => element(&self.declared),
            known => known,
        }
    }

    /// Whether the elements of a value are known to be integers or booleans.
    pub fn is_integer(&self, name: &str) -> bool {
        self.element(name) != 0 && !self.is_float(name)
    }

    /// Whether the elements of a value are floats of any precision.
    pub fn is_float(&self, name: &str) -> bool {
        matches!(self.element(name), element::F32 | element::F16 | element::F64)
    }

    /// The number of a value's dimensions.
    pub fn rank(&self, name: &str) -> Option<usize> {
        let rank = |facts: &HashMap<String, Fact>| facts.get(name)?.rank;
        rank(&self.facts).or_else(|| rank(&self.declared))
    }

    /// An axis of a value, counted from the first.
    ///
    /// # Errors
    /// The rank is not known, or has no such axis.
    pub fn axis(&self, name: &str, axis: i64) -> Result<usize, String> {
        let rank = self.rank(name);
        let from_start =
            if axis < 0 { rank.and_then(|rank| axis.checked_add(rank as i64)) } else { Some(axis) };
        let from_start = from_start.and_then(|axis| usize::try_from(axis).ok());
        from_start
            .filter(|&axis| rank.is_none_or(|rank| axis < rank))
            .ok_or_else(|| format!("axis {axis} cannot be found, the tensor has {rank:?} dimensions"))
    }

    /// A constant.
    pub fn constant(&self, name: &str) -> Option<&Tensor> {
        self.constants.get(name)
    }

    /// The values of a constant of integers.
    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.constant(name)?.integers().ok()
    }

    /// The values of a constant of floats.
    pub fn floats(&self, name: &str) -> Option<Vec<f32>> {
        self.constant(name)?.floats().ok()
    }

    /// Whether any of these operators takes a value.
    pub fn feeds(&self, name: &str, operators: &[&str]) -> bool {
        self.takers
            .get(name)
            .is_some_and(|takers| takers.iter().any(|taker| operators.contains(&taker.as_str())))
    }

    /// Whether anything takes an output of a node.
    pub fn is_used(&self, node: &Node, index: usize) -> bool {
        let name = node.output.get(index).filter(|name| !name.is_empty());
        name.is_some_and(|name| self.takers.contains_key(name) || self.outputs.contains(name))
    }

    /// Adds a node as it is.
    pub fn keep(&mut self, node: Node) {
        for (name, fact) in facts::of_outputs(
            &node,
            &|name| Some(Fact { element: self.element(name), rank: self.rank(name) }),
            &|name| self.integers(name),
        ) {
            self.facts.insert(name, fact);
        }
        if node.op_type() == "Constant"
            && let (Some(tensor), Some(name)) =
                (node.attribute("value").and_then(|value| value.t.as_deref()), node.output.first())
        {
            self.constants.insert(name.clone(), tensor.clone());
        }
        self.nodes.push(node);
    }

    fn name(&mut self) -> String {
        self.made += 1;
        format!("{}{}", self.prefix, self.made)
    }

    /// Adds a node whose output has a name of its own, which is returned.
    pub fn op(&mut self, op: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let output = self.name();
        self.finish(op, inputs, &output, attributes);
        output
    }

    /// Adds a node with this output.
    pub fn finish(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<Attribute>) {
        self.keep(Node::new(op, inputs, output, attributes));
    }

    /// A new constant.
    pub fn tensor(&mut self, dims: &[usize], data_type: i64, bytes: Vec<u8>) -> String {
        let name = self.name();
        let tensor = Tensor::raw(&name, dims, data_type, bytes);
        self.facts.insert(name.clone(), Fact::of(&tensor));
        self.constants.insert(name.clone(), tensor.clone());
        self.initializers.push(tensor);
        name
    }

    /// A float without dimensions.
    pub fn f32(&mut self, value: f32) -> String {
        self.tensor(&[], element::F32, value.to_le_bytes().to_vec())
    }

    /// A list of floats.
    pub fn f32s(&mut self, values: &[f32]) -> String {
        self.tensor(
            &[values.len()],
            element::F32,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// An integer without dimensions.
    pub fn i64(&mut self, value: i64) -> String {
        self.tensor(&[], element::I64, value.to_le_bytes().to_vec())
    }

    /// A list of integers.
    pub fn i64s(&mut self, values: &[i64]) -> String {
        self.tensor(
            &[values.len()],
            element::I64,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }
}

/// The attribute `to` or `axis`, and the like.
pub(super) fn int(name: &str, value: i64) -> Vec<Attribute> {
    vec![Attribute::of_int(name, value)]
}

/// The input of a node at an index.
///
/// # Errors
/// There is none.
pub(super) fn input(node: &Node, index: usize) -> Result<&str, String> {
    node.input_at(index).ok_or_else(|| format!("input {index} is missing"))
}

/// The only output that is used, at index 0.
///
/// # Errors
/// There is none.
pub(super) fn output(node: &Node) -> Result<&str, String> {
    node.output
        .first()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| "it has no output".into())
}
