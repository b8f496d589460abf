//! An ONNX graph as a TorchScript module, node by node: for networks of the operators that MusiCNN is made of.
//!
//! Each operator means the same in both, so that each node becomes one statement. Anything else in a node (an unknown
//! attribute, a constant of another type) is refused, never ignored.

use std::collections::HashMap;

use super::{FLOAT, Module, quoted};
use crate::onnx::{Attribute, Graph, Node, Tensor, ValueInfo, element};

/// The module. Its `forward` takes the graph's input, of any type, and returns a dictionary of the outputs with the
/// names `names`, in f32.
///
/// Convolutions are computed in the type of the parameters, everything else in f32, as for an EfficientNet.
///
/// # Errors
/// The part of the graph that cannot be written as TorchScript.
pub(in crate::model) fn module(graph: &Graph, names: &[&str]) -> Result<Module, String> {
    let constants = graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
    let mut writer = Writer { constants, ..Writer::default() };
    for input in graph.input.iter().map(ValueInfo::name) {
        if !writer.constants.contains_key(input) {
            writer.values.insert(input, Value { code: "x".into(), exact: false });
        }
    }
    if writer.values.len() != 1 {
        return Err(format!("it has {} inputs, not one", writer.values.len()));
    }
    for node in &graph.node {
        writer.node(node).map_err(|reason| {
            let name = node.name.as_deref().unwrap_or("unnamed");
            format!("operator {} ({name}): {reason}", operator(node))
        })?;
    }
    let outputs: Result<Vec<String>, String> =
        names.iter().map(|name| Ok(format!("{}: {}", quoted(name), writer.exact(name)?))).collect();
    let outputs = outputs?.join(", ");
    writer.module.statement(format!("return {{{outputs}}}"));
    Ok(writer.module)
}

/// A value that a node computes.
#[derive(Clone)]
struct Value {
    /// Its name in the code.
    code: String,
    /// Whether it is in f32, whatever type the parameters have.
    exact: bool,
}

#[derive(Default)]
struct Writer<'a> {
    module: Module,
    constants: HashMap<&'a str, &'a Tensor>,
    /// The values of nodes, by their names in the graph.
    values: HashMap<&'a str, Value>,
    /// Other names of constants: those of `Cast` nodes that convert a constant to f32.
    aliases: HashMap<&'a str, &'a str>,
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
    fn node(&mut self, node: &'a Node) -> Result<(), String> {
        let [output] = node.output.as_slice() else {
            return Err("it does not have exactly one output".into());
        };
        let (x, exact) = match operator(node) {
            "Cast" => {
                let type_of = integer(node, "to", 0)?;
                known(node, &["to"])?;
                if type_of != element::F32 {
                    return Err(format!("it casts to the type {type_of}, not to f32"));
                }
                let input = argument(node, 0)?;
                if self.is_constant(input) {
                    self.aliases.insert(output, self.original(input));
                    return Ok(());
                }
                (self.exact(input)?, true)
            }
            "Add" => (self.binary("add", node)?, true),
            "Mul" => (self.binary("mul", node)?, true),
            "Sigmoid" => {
                known(node, &[])?;
                (format!("torch.sigmoid({})", self.exact(argument(node, 0)?)?), true)
            }
            "Relu" => {
                known(node, &[])?;
                let Value { code, exact } = self.value(argument(node, 0)?)?;
                (format!("torch.relu({code})"), exact)
            }
            "Unsqueeze" => {
                known(node, &["axes"])?;
                let [axis] = self.axes(node)?[..] else { return Err("it adds several axes".into()) };
                let Value { code, exact } = self.value(argument(node, 0)?)?;
                (format!("torch.unsqueeze({code}, {axis})"), exact)
            }
            "ReduceMax" => {
                let (axes, kept) = self.reduced(node)?;
                let Value { code, exact } = self.value(argument(node, 0)?)?;
                (format!("torch.amax({code}, {axes}, {kept})"), exact)
            }
            "ReduceMean" => {
                let (axes, kept) = self.reduced(node)?;
                (format!("torch.mean({}, {axes}, {kept})", self.exact(argument(node, 0)?)?), true)
            }
            "Concat" => {
                known(node, &["axis"])?;
                let parts: Result<Vec<String>, String> =
                    node.input.iter().map(|input| self.exact(input)).collect();
                if node.attribute("axis").is_none() {
                    return Err("it has no axis".into());
                }
                (format!("torch.cat([{}], {})", parts?.join(", "), integer(node, "axis", 0)?), true)
            }
            "Conv" => (self.convolution(node)?, false),
            "Gemm" => (self.dense(node)?, true),
            _ => return Err("there is no such operator in MusiCNN, and others are not supported".into()),
        };
        let code = self.assign(&x);
        self.values.insert(output, Value { code, exact });
        Ok(())
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

    fn is_constant(&self, name: &'a str) -> bool {
        self.constants.contains_key(self.original(name))
    }

    fn value(&self, name: &str) -> Result<Value, String> {
        self.values.get(name).cloned().ok_or_else(|| format!("nothing computes its input {name:?}"))
    }

    /// A value in f32: that of a node, or a constant.
    fn exact(&mut self, name: &str) -> Result<String, String> {
        let original = self.aliases.get(name).copied().unwrap_or(name);
        if self.constants.contains_key(original) {
            let Constant { dims, values } = self.constant(original)?;
            // A scalar is handled like a vector of one value.
            let dims = if dims.is_empty() { vec![1] } else { dims };
            return Ok(format!("torch.to({}, {FLOAT})", self.parameter(original, &dims, &values)));
        }
        let Value { code, exact } = self.value(name)?;
        Ok(if exact { code } else { format!("torch.to({code}, {FLOAT})") })
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

    fn binary(&mut self, function: &str, node: &'a Node) -> Result<String, String> {
        known(node, &[])?;
        let (a, b) = (self.exact(argument(node, 0)?)?, self.exact(argument(node, 1)?)?);
        Ok(format!("torch.{function}({a}, {b})"))
    }

    /// The axes of a node, from an input (in newer versions of ONNX) or an attribute.
    fn axes(&self, node: &'a Node) -> Result<Vec<i64>, String> {
        let Some(name) = node.input.get(1) else {
            let axes = node.ints("axes").filter(|axes| !axes.is_empty());
            return axes.map(<[i64]>::to_vec).ok_or_else(|| "it has no axes".into());
        };
        let tensor = self.constants.get(name.as_str()).ok_or("its axes are computed")?;
        let axes = tensor.integers().ok().filter(|axes: &Vec<i64>| !axes.is_empty());
        axes.ok_or_else(|| "its axes cannot be read".into())
    }

    /// The axes that are reduced, and whether they are kept with size 1.
    fn reduced(&self, node: &'a Node) -> Result<(String, &'static str), String> {
        known(node, &["axes", "keepdims", "noop_with_empty_axes"])?;
        let kept = if integer(node, "keepdims", 1)? != 0 { "True" } else { "False" };
        Ok((format!("{:?}", self.axes(node)?), kept))
    }

    /// A convolution over one or two axes, in the type of its weights.
    fn convolution(&mut self, node: &'a Node) -> Result<String, String> {
        known(node, &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        if node.string("auto_pad").is_some_and(|padding| padding != b"NOTSET") {
            return Err("its padding depends on its input".into());
        }
        let weight_name = argument(node, 1)?;
        let Constant { dims, values } = self.constant(weight_name)?;
        let (axes, function) = match dims.len() {
            3 => (1, "conv1d"),
            4 => (2, "conv2d"),
            other => return Err(format!("its weights have {other} axes")),
        };
        let listed = |name: &str, count: usize, otherwise: i64| match node.attribute(name) {
            None => Ok(vec![otherwise; count]),
            Some(it) if it.ints.len() == count => Ok(it.ints.clone()),
            Some(it) => Err(format!("{name} is {:?}", it.ints)),
        };
        let (pads, strides, dilations) =
            (listed("pads", 2 * axes, 0)?, listed("strides", axes, 1)?, listed("dilations", axes, 1)?);
        let group = integer(node, "group", 1)?;
        let Value { code: mut x, .. } = self.value(argument(node, 0)?)?;
        let weight = self.parameter(self.original(weight_name), &dims, &values);
        let bias = match node.input_at(2) {
            None => "None".to_owned(),
            Some(name) => {
                let Constant { dims, values } = self.constant(name)?;
                self.parameter(self.original(name), &dims, &values)
            }
        };
        x = self.assign(&format!("torch.to({x}, {weight})"));
        let (before, after) = pads.split_at(axes);
        let mut padding = before.to_vec();
        if before != after {
            // torch lists the last axis first.
            let both: Vec<i64> = (0..axes).rev().flat_map(|axis| [before[axis], after[axis]]).collect();
            x = self.assign(&format!("torch.constant_pad_nd({x}, {both:?}, 0)"));
            padding.fill(0);
        }
        Ok(format!(
            "torch.{function}({x}, {weight}, {bias}, {strides:?}, {padding:?}, {dilations:?}, {group})"
        ))
    }

    /// A dense layer, in f32.
    fn dense(&mut self, node: &'a Node) -> Result<String, String> {
        known(node, &["alpha", "beta", "transA", "transB"])?;
        let factor = |name| node.float(name).unwrap_or(1.0);
        if factor("alpha") != 1.0 || factor("beta") != 1.0 || integer(node, "transA", 0)? != 0 {
            return Err("it does more than a dense layer does".into());
        }
        let (weight_name, bias_name) = (argument(node, 1)?, argument(node, 2)?);
        let Constant { dims, values } = self.constant(weight_name)?;
        let &[rows, columns] = dims.as_slice() else {
            return Err(format!("its weights have the shape {dims:?}"));
        };
        let (dims, values) = match integer(node, "transB", 0)? {
            0 => {
                let at = |index| values[index % rows * columns + index / rows];
                ([columns, rows], (0..values.len()).map(at).collect())
            }
            _ => ([rows, columns], values),
        };
        let Constant { dims: bias_dims, values: bias } = self.constant(bias_name)?;
        if bias_dims != [dims[0]] {
            return Err(format!("its bias has the shape {bias_dims:?}"));
        }
        let x = self.exact(argument(node, 0)?)?;
        // Has another name than the constant, because another node may use it in the other orientation.
        let weight = self.parameter(
            &format!("{}_{}x{}", self.original(weight_name), dims[0], dims[1]),
            &dims,
            &values,
        );
        let bias = self.parameter(self.original(bias_name), &bias_dims, &bias);
        Ok(format!("torch.linear({x}, torch.to({weight}, {FLOAT}), torch.to({bias}, {FLOAT}))"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Model;

    fn node(op: &str, inputs: &[&str]) -> Node {
        Node::new(op, inputs, "y", Vec::new())
    }

    fn writer() -> Writer<'static> {
        let x = Value { code: "x".into(), exact: false };
        Writer { values: HashMap::from([("x", x)]), ..Writer::default() }
    }

    #[test]
    fn bundled_networks_are_written() {
        for bytes in [
            &include_bytes!("../../../models/msd-musicnn-1.onnx")[..],
            include_bytes!("../../../models/mtt-musicnn-1.onnx"),
        ] {
            let graph = Model::read(bytes).unwrap().graph;
            let module = module(&graph, &["predictions", "embeddings"]).unwrap();
            let code = module.code("Dict[str, Tensor]");
            assert!(
                code.contains("torch.constant_pad_nd(") && code.contains(", [0, 0, 63, 64], 0)"),
                "{code}"
            );
            assert!(code.contains("return {\"predictions\": v"), "{code}");
            let error = super::module(&graph, &["nothing"]).unwrap_err();
            assert!(error.contains("nothing computes its input \"nothing\""), "{error}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refusal = |node: Node| {
            let node = Box::leak(Box::new(node));
            writer().node(node).unwrap_err()
        };
        assert!(refusal(node("Einsum", &["x"])).contains("no such operator"));
        assert!(refusal(node("Relu", &["elsewhere"])).contains("\"elsewhere\""));
        assert!(refusal(node("Relu", &[])).contains("no input 0"));
        let saying = |op: &str, inputs: &[&str], name: &str, number: i64| {
            Node::new(op, inputs, "y", vec![Attribute::of_int(name, number)])
        };
        assert!(refusal(saying("Add", &["x", "x"], "broadcast", 1)).contains("attribute broadcast"));
        assert!(refusal(saying("Cast", &["x"], "to", 10)).contains("type 10"));
        assert!(refusal(saying("Gemm", &["x", "w", "b"], "transA", 1)).contains("more than a dense layer"));
        assert!(refusal(saying("ReduceMax", &["x"], "keepdims", 0)).contains("no axes"));
        // An operator of another domain with a known name is another operator.
        let foreign = Node { domain: Some("com.microsoft".into()), ..node("Relu", &["x"]) };
        assert!(refusal(foreign).contains("no such operator"));
    }

    #[test]
    fn parameters_have_names_of_their_own() {
        let mut writer = writer();
        assert_eq!(writer.parameter("a.b", &[1], &[1.0]), "self.a_b");
        assert_eq!(writer.parameter("a/b", &[1], &[2.0]), "self.a_b_");
        assert_eq!(writer.parameter("a.b", &[1], &[1.0]), "self.a_b");
        assert_eq!(writer.parameter("1", &[1], &[3.0]), "self.w_1");
        assert_eq!(writer.parameter("lambda", &[1], &[4.0]), "self.w_lambda");
        assert_eq!(writer.parameter("training", &[1], &[5.0]), "self.w_training");
        assert_eq!(writer.module.parameters.len(), 5);
    }

    #[test]
    fn constants_are_whole() {
        let tensor = |dims: &[i64], data_type, bytes: usize| {
            let tensor = Tensor::raw("w", &[], data_type, vec![0; bytes]);
            Tensor { dims: dims.to_vec(), ..tensor }
        };
        let refusal = |tensor: Tensor| Constant::read(&tensor).err().unwrap();
        assert_eq!(Constant::read(&tensor(&[2, 3], element::F16, 12)).unwrap().values, [0.0; 6]);
        assert!(refusal(tensor(&[2, 3], element::F32, 26)).contains("26 bytes"));
        assert!(refusal(tensor(&[2, 3], element::F16, 13)).contains("13 bytes"));
        assert!(refusal(tensor(&[2, 3], element::F32, 20)).contains("5 values for the shape [2, 3]"));
        assert!(refusal(tensor(&[-1], element::F32, 0)).contains("shape [-1]"));
        assert!(refusal(tensor(&[i64::MAX, i64::MAX], element::F32, 0)).contains("0 values"));
        assert!(refusal(tensor(&[1], element::I64, 8)).contains("neither in single nor"));
        let elsewhere = Tensor { data_location: Some(1), ..tensor(&[1], element::F32, 4) };
        assert!(refusal(elsewhere).contains("another file"));
    }
}
