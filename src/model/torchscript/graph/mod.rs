//! An ONNX graph as a TorchScript module, node by node: for networks of the operators that published ones are made of
//! (MusiCNN, VGG, YAMNet, OpenL3, TempoCNN, CREPE, FSD-SINet, and transformers such as MAEST).
//!
//! Each operator means the same in both, so that each node becomes one statement or a few. Anything else in a node (an
//! unknown attribute, a constant of another type) is refused, never ignored.
//!
//! **Input.** `forward` takes the graph's own input, `[n, ...]`: `[n, 187, 96]`, `[n, 128, 199, 1]`, `[n, 1024]`. If the
//! graph's is not of three axes and its row is fixed, any shape with as many values a row is taken: values in the order
//! of the graph's own input. A graph that fixes its batch becomes a module that takes any.
//!
//! **Outputs** are rows, `[n, values]`: tokens `[n, tokens, width]` are given out as `[n, tokens * width]`.
//!
//! **Precision.** In the type of the parameters: convolutions, products of computed matrices (attention), and dense
//! layers of at least [`LARGE`] weights. In f32: everything else, such as normalisation, softmax and small dense layers.

mod arithmetic;
mod arrange;
mod layers;
mod lengths;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use self::lengths::Lengths;
use super::{FLOAT, Module, quoted};
use crate::onnx::{Attribute, Graph, Node, Tensor, ValueInfo, element};

/// Dense layers with fewer weights are computed in f32: they take little time, and outputs come from them.
const LARGE: usize = 1 << 19;

/// The module. Its `forward` takes the graph's input, of any type, and returns a dictionary of the outputs with the
/// names `names`, in f32.
///
/// # Errors
/// The part of the graph that cannot be written as TorchScript.
pub(in crate::model) fn module(graph: &Graph, names: &[&str]) -> Result<Module, String> {
    let mut writer = Writer::new(graph);
    let inputs: Vec<&ValueInfo> =
        graph.input.iter().filter(|input| !writer.constants.contains_key(input.name())).collect();
    let [input] = inputs[..] else {
        return Err(format!("it has {} inputs, not one", inputs.len()));
    };
    writer.input(input)?;
    for node in &graph.node {
        writer.node(node).map_err(|reason| {
            let name = node.name.as_deref().unwrap_or("unnamed");
            format!("operator {} ({name}): {reason}", operator(node))
        })?;
    }
    let outputs: Result<Vec<String>, String> =
        names.iter().map(|name| Ok(format!("{}: {}", quoted(name), writer.row(name)?))).collect();
    let outputs = outputs?.join(", ");
    writer.module.statement(format!("return {{{outputs}}}"));
    Ok(writer.module)
}

/// A value that a node computes.
#[derive(Clone)]
struct Value {
    /// Its name in the code, or the expression that computes it.
    code: String,
    kind: Kind,
    /// The number of its axes.
    rank: usize,
}

/// The type of a value's elements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// That of the parameters, or of the input.
    Parameters,
    /// f32, whatever type the parameters have.
    F32,
    /// Integers of 64 bits.
    Integers,
}

#[derive(Default)]
struct Writer<'a> {
    module: Module,
    constants: HashMap<&'a str, &'a Tensor>,
    /// The values of nodes, by their names in the graph.
    values: HashMap<&'a str, Value>,
    /// Lengths of axes and what is computed from them, by their names in the graph.
    lengths: HashMap<&'a str, Lengths>,
    /// Other names of constants: those of `Cast` nodes that convert a constant to f32.
    aliases: HashMap<&'a str, &'a str>,
    /// The node that reads a value, if it is the only one and the value is no output.
    readers: HashMap<&'a str, &'a Node>,
    /// Outputs of nodes that are already written, as part of another.
    written: HashSet<&'a str>,
    /// The batch size, if the graph fixes it.
    batch: Option<i64>,
    /// The parameters, and the constant of each.
    parameters: HashMap<String, String>,
    statements: usize,
}

/// Names that no parameter can have: keywords, and attributes of every module.
const RESERVED: [&str; 36] = [
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "forward",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "self",
    "training",
    "try",
    "uninitialized",
    "while",
    "with",
    "yield",
];

/// A constant's shape and values.
struct Constant {
    dims: Vec<usize>,
    values: Vec<f32>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Self {
        let constants = graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        let mut counts: HashMap<&str, (usize, &Node)> = HashMap::new();
        for node in &graph.node {
            for input in &node.input {
                counts.entry(input).or_insert((0, node)).0 += 1;
            }
        }
        for output in &graph.output {
            counts.remove(output.name());
        }
        let once = |(name, (count, node))| (count == 1).then_some((name, node));
        let readers = counts.into_iter().filter_map(once).collect();
        Writer { constants, readers, ..Writer::default() }
    }

    /// Declares the input.
    fn input(&mut self, input: &'a ValueInfo) -> Result<(), String> {
        let dims = input.declared().dims.ok_or("the shape of its input is not declared")?;
        let Some((batch, row)) = dims.split_first() else {
            return Err("its input has no axes".into());
        };
        self.batch = batch.map(|batch| batch as i64);
        let mut code = "x".to_owned();
        // Patches are fed as they are.
        if dims.len() != 3
            && let Some(row) = row.iter().copied().collect::<Option<Vec<usize>>>()
        {
            let row: Vec<String> = row.iter().map(usize::to_string).collect();
            code = self.assign(&format!("torch.reshape(x, [-1, {}])", row.join(", ")));
        }
        self.values.insert(input.name(), Value { code, kind: Kind::Parameters, rank: dims.len() });
        Ok(())
    }

    /// An output as rows in f32.
    fn row(&mut self, name: &str) -> Result<String, String> {
        let rank = self.value(name)?.rank;
        let code = self.exact(name)?;
        Ok(match rank {
            0 => return Err(format!("its output {name} has no axes")),
            1 => format!("torch.unsqueeze({code}, 1)"),
            2 => code,
            _ => format!("torch.flatten({code}, 1, -1)"),
        })
    }

    fn node(&mut self, node: &'a Node) -> Result<(), String> {
        let [output] = node.output.as_slice() else {
            return self.split(node);
        };
        if operator(node) == "Split" {
            return self.split(node);
        }
        if self.written.contains(output.as_str())
            || self.constant_node(node, output)?
            || self.length(node, output)?
        {
            return Ok(());
        }
        let value = match operator(node) {
            "Identity" | "Dropout" => {
                // Attributes of Dropout concern training alone.
                let value = self.value(argument(node, 0)?)?;
                self.values.insert(output, value);
                return Ok(());
            }
            "Cast" => self.cast(node)?,
            "Add" => self.binary("add", node)?,
            "Sub" => self.binary("sub", node)?,
            "Mul" => self.binary("mul", node)?,
            "Div" => self.binary("div", node)?,
            "Pow" => self.binary("pow", node)?,
            "Max" => self.extreme("maximum", node)?,
            "Min" => self.extreme("minimum", node)?,
            "Sigmoid" => self.unary("sigmoid", node)?,
            "Tanh" => self.unary("tanh", node)?,
            "Erf" => self.unary("erf", node)?,
            "Sqrt" => self.unary("sqrt", node)?,
            "Exp" => self.unary("exp", node)?,
            "Log" => self.unary("log", node)?,
            "Abs" => self.unary("abs", node)?,
            "Neg" => self.unary("neg", node)?,
            "Reciprocal" => self.unary("reciprocal", node)?,
            "Relu" => self.relu(node)?,
            "Clip" => self.clip(node)?,
            "Gelu" => self.gelu(node)?,
            "Softmax" => self.softmax(node)?,
            "LayerNormalization" => self.layer_norm(node)?,
            "ReduceMax" => self.reduced("amax", node)?,
            "ReduceMin" => self.reduced("amin", node)?,
            "ReduceMean" => self.reduced("mean", node)?,
            "ReduceSum" => self.reduced("sum", node)?,
            "GlobalAveragePool" => self.global("mean", node)?,
            "GlobalMaxPool" => self.global("amax", node)?,
            "ArgMax" => self.arg_max(node)?,
            "Concat" => self.concat(node)?,
            "Expand" => self.expand(node)?,
            "Flatten" => self.flatten(node)?,
            "Gather" => self.gather(node)?,
            "GatherND" => self.gather_nd(node)?,
            "Pad" => self.pad(node)?,
            "Reshape" => self.reshape(node)?,
            "Slice" => self.slice(node)?,
            "Squeeze" => self.squeeze(node)?,
            "Transpose" => self.transpose(node)?,
            "Unsqueeze" => self.unsqueeze(node)?,
            "AveragePool" => self.average_pool(node)?,
            "BatchNormalization" => self.batch_norm(node)?,
            "Conv" => self.convolution(node)?,
            "Gemm" => self.dense(node)?,
            "MatMul" => self.product(node)?,
            "MaxPool" => self.max_pool(node)?,
            _ => return Err("there is no such operator in the networks that are converted".into()),
        };
        self.set(output, value);
        if operator(node) == "Conv"
            && let Some(norm) = self.norm_behind(node)
        {
            // It is part of the convolution.
            let value = self.value(output)?;
            self.values.insert(&norm.output[0], value);
        }
        Ok(())
    }

    /// Nodes that only give a constant another name or type. Returns whether this is one.
    fn constant_node(&mut self, node: &'a Node, output: &'a str) -> Result<bool, String> {
        if operator(node) == "Constant" {
            let tensor = node.attribute("value").and_then(|value| value.t.as_deref());
            self.constants.insert(output, tensor.ok_or("its value is not a tensor")?);
            return Ok(true);
        }
        let Some(input) = node.input_at(0).filter(|input| self.is_constant(input)) else { return Ok(false) };
        let is_cast = operator(node) == "Cast" && integer(node, "to", 0)? == element::F32;
        let is_float =
            matches!(self.constants[self.original(input)].data_type(), element::F32 | element::F16);
        if operator(node) == "Identity" || is_cast && is_float {
            self.aliases.insert(output, self.original(input));
            return Ok(true);
        }
        Ok(false)
    }

    /// Adds a statement that computes a value, and gives it its name in the graph.
    fn set(&mut self, output: &'a str, value: Value) {
        let code = self.assign(&value.code);
        self.values.insert(output, Value { code, ..value });
    }

    fn assign(&mut self, expression: &str) -> String {
        self.statements += 1;
        let name = format!("v{}", self.statements);
        self.module.statement(format!("{name} = {expression}"));
        name
    }

    fn original(&self, name: &'a str) -> &'a str {
        self.aliases.get(name).copied().unwrap_or(name)
    }

    fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(self.aliases.get(name).copied().unwrap_or(name))
    }

    fn value(&self, name: &str) -> Result<Value, String> {
        self.values.get(name).cloned().ok_or_else(|| format!("nothing computes its input {name:?}"))
    }

    /// The value of a node's first input.
    fn first(&self, node: &'a Node) -> Result<Value, String> {
        self.value(argument(node, 0)?)
    }

    /// A value in f32: that of a node, or a constant.
    fn exact(&mut self, name: &str) -> Result<String, String> {
        Ok(self.exactly(name)?.code)
    }

    /// The same with its rank.
    fn exactly(&mut self, name: &str) -> Result<Value, String> {
        let original = self.aliases.get(name).copied().unwrap_or(name);
        if self.constants.contains_key(original) {
            let Constant { dims, values } = self.constant(original)?;
            // A scalar is handled like a vector of one value.
            let rank = dims.len();
            let dims = if dims.is_empty() { vec![1] } else { dims };
            let code = format!("torch.to({}, {FLOAT})", self.parameter(original, &dims, &values));
            return Ok(Value { code, kind: Kind::F32, rank });
        }
        let Value { mut code, kind, rank } = self.value(name)?;
        if kind != Kind::F32 {
            code = format!("torch.to({code}, {FLOAT})");
        }
        Ok(Value { code, kind: Kind::F32, rank })
    }

    /// The value of a constant without axes.
    fn scalar(&self, name: &str) -> Result<Option<f32>, String> {
        if !self.is_constant(name) {
            return Ok(None);
        }
        let Constant { dims, values } = self.constant(name)?;
        match values[..] {
            [value] if dims.is_empty() && value.is_finite() => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// A constant's values as a parameter of the module. `origin` identifies the constant: if two constants get the
    /// same name with plain characters, `_` is appended to the second; keywords are avoided.
    fn parameter(&mut self, origin: &str, shape: &[usize], values: &[f32]) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut name: String = origin.chars().map(plain).collect();
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || RESERVED.contains(&&*name) {
            name.insert_str(0, "w_");
        }
        while self.parameters.get(&name).is_some_and(|other| other != origin) {
            name.push('_');
        }
        if self.parameters.insert(name.clone(), origin.to_owned()).is_none() {
            self.module.parameter(&name, shape, values);
        }
        format!("self.{name}")
    }

    fn constant(&self, name: &str) -> Result<Constant, String> {
        let original = self.aliases.get(name).copied().unwrap_or(name);
        let tensor = self.constants.get(original).ok_or_else(|| format!("{name:?} is not a constant"))?;
        Constant::read(tensor).map_err(|reason| format!("constant {original:?} {reason}"))
    }

    /// The integers of a constant.
    fn integers(&self, name: &str) -> Result<Vec<i64>, String> {
        let original = self.aliases.get(name).copied().unwrap_or(name);
        let tensor = self.constants.get(original).ok_or_else(|| format!("its input {name:?} is computed"))?;
        if tensor.is_external() {
            return Err(format!("constant {original:?} is stored in another file"));
        }
        tensor.integers().map_err(|reason| format!("constant {original:?} {reason}"))
    }

    /// The axes of a node, from an input (in newer versions of ONNX) or an attribute.
    fn axes(&self, node: &'a Node) -> Result<Vec<i64>, String> {
        let Some(name) = node.input_at(1) else {
            let axes = node.ints("axes").filter(|axes| !axes.is_empty());
            return axes.map(<[i64]>::to_vec).ok_or_else(|| "it has no axes".into());
        };
        let tensor = self.constants.get(name).ok_or("its axes are computed")?;
        let axes = tensor.integers().ok().filter(|axes: &Vec<i64>| !axes.is_empty());
        axes.ok_or_else(|| "its axes cannot be read".into())
    }
}

impl Constant {
    fn read(tensor: &Tensor) -> Result<Constant, String> {
        if tensor.is_external() {
            return Err("is stored in another file".into());
        }
        let dims: Result<Vec<usize>, _> = tensor.dims.iter().map(|&dim| usize::try_from(dim)).collect();
        let dims = dims.map_err(|_| format!("has the shape {:?}", tensor.dims))?;
        if !matches!(tensor.data_type(), element::F32 | element::F16) {
            return Err("is neither in single nor in half precision".into());
        }
        let values: Vec<f32> = tensor.floats()?;
        let expected = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
        if expected != Some(values.len()) {
            return Err(format!("has {} values for the shape {dims:?}", values.len()));
        }
        Ok(Constant { dims, values })
    }
}

/// The node's operator, with its domain if that is not ONNX's.
fn operator(node: &Node) -> &str {
    match node.domain() {
        "" | "ai.onnx" => node.op_type(),
        domain => domain,
    }
}

fn argument(node: &Node, index: usize) -> Result<&str, String> {
    node.input_at(index).ok_or_else(|| format!("it has no input {index}"))
}

/// An integer attribute of the node, or ONNX's default.
fn integer(node: &Node, name: &str, otherwise: i64) -> Result<i64, String> {
    match node.attribute(name) {
        None => Ok(otherwise),
        Some(attribute) => attribute.i.ok_or_else(|| format!("attribute {name} is not an integer")),
    }
}

/// Checks that the node has only the given attributes.
fn known(node: &Node, names: &[&str]) -> Result<(), String> {
    match node.attribute.iter().map(Attribute::name).find(|name| !names.contains(name)) {
        Some(name) => Err(format!("attribute {name} is unknown")),
        None => Ok(()),
    }
}

/// An axis counted from the beginning.
fn axis_of(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    let inside = usize::try_from(counted).ok().filter(|&axis| axis < rank);
    inside.ok_or_else(|| format!("it has the axis {axis}, its input {rank} axes"))
}
