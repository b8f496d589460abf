//! Local functions: a file may define operators of its own out of others, as PyTorch's exporter does. Calls are replaced
//! by the function's nodes, so that nothing behind this module knows of functions.

use std::collections::HashMap;

use prost::Message;

use super::bounds::MAX_NODES;
use super::proto::{Attribute, Function, Graph, Model, Node, OperatorSet};

/// Functions that call each other, at most this deep. Exporters write about 4 levels.
const MAX_DEPTH: usize = 32;

/// Maximum size of all inlined nodes: their constants are written once for each call.
const MAX_BYTES: usize = 1 << 28;

/// Operators that mean something else from a version on, with the same inputs and attributes.
const CHANGED: [(&str, i64); 7] = [
    ("DFT", 20),
    ("GroupNormalization", 21),
    ("Hardmax", 13),
    ("LogSoftmax", 13),
    ("Resize", 11),
    ("Softmax", 13),
    ("Tile", 6),
];

/// The version of the default domain's operators; 0 if there is none.
pub fn default_version(imports: &[OperatorSet]) -> i64 {
    let default = imports.iter().find(|set| matches!(set.domain(), "" | "ai.onnx"));
    default.map_or(0, OperatorSet::version)
}

/// Replaces the calls of functions by their nodes, and drops the functions.
///
/// # Errors
/// What is wrong with a function: it calls itself, it is defined twice, it is of other versions of its operators than
/// the file, or what comes out is too large.
pub fn inline(model: &mut Model) -> Result<(), String> {
    let functions = std::mem::take(&mut model.functions);
    if functions.is_empty() {
        return Ok(());
    }
    let mut known = HashMap::new();
    for function in &functions {
        if known.insert((domain_of(function.domain()), function.name()), function).is_some() {
            return Err(format!("function {} is defined twice", function.name()));
        }
    }
    let prefix = unused_prefix(&model.graph);
    let version = default_version(&model.opset_import);
    let mut inliner = Inliner { known, prefix, version, calls: 0, bytes: 0, nodes: Vec::new() };
    for node in std::mem::take(&mut model.graph.node) {
        inliner.put(node, 0)?;
    }
    model.graph.node = inliner.nodes;
    Ok(())
}

fn domain_of(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// A beginning that no name in the graph has.
fn unused_prefix(graph: &Graph) -> String {
    let names = || {
        let nodes = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output));
        let declared = graph.input.iter().chain(&graph.output).filter_map(|value| value.name.as_ref());
        nodes.chain(declared).chain(graph.initializer.iter().filter_map(|tensor| tensor.name.as_ref()))
    };
    let mut prefix = String::from("call");
    while names().any(|name| name.starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}

struct Inliner<'a> {
    known: HashMap<(&'a str, &'a str), &'a Function>,
    prefix: String,
    version: i64,
    calls: usize,
    bytes: usize,
    nodes: Vec<Node>,
}

impl Inliner<'_> {
    /// Adds a node, or what it stands for. Depth ends recursion, too.
    fn put(&mut self, node: Node, depth: usize) -> Result<(), String> {
        let Some(&function) = self.known.get(&(domain_of(node.domain()), node.op_type())) else {
            if depth > 0 {
                self.bytes += node.encoded_len();
            }
            if self.nodes.len() == MAX_NODES || self.bytes > MAX_BYTES {
                return Err(format!(
                    "with its functions inlined, the graph has more than {MAX_NODES} nodes or {} MiB",
                    MAX_BYTES >> 20
                ));
            }
            self.nodes.push(node);
            return Ok(());
        };
        let name = function.name();
        if depth == MAX_DEPTH {
            return Err(format!("function {name} calls itself, or is nested more than {MAX_DEPTH} deep"));
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return Err(format!("function {name} is called with more inputs or outputs than it has"));
        }
        let version = default_version(&function.opset_import);
        self.calls += 1;
        if self.calls > MAX_NODES {
            return Err(format!("the graph calls functions more than {MAX_NODES} times"));
        }
        let mut names = Names { prefix: format!("{}{}/", self.prefix, self.calls), known: HashMap::new() };
        let given = node.input.iter().map(String::as_str).chain(std::iter::repeat(""));
        names.known.extend(function.input.iter().map(String::as_str).zip(given.map(str::to_owned)));
        // Outputs that are inputs or other outputs are copied at the end.
        let mut copied = Vec::new();
        for (formal, actual) in function.output.iter().zip(&node.output) {
            if actual.is_empty() {
                continue;
            }
            if names.known.contains_key(formal.as_str()) {
                copied.push((formal, actual));
            } else {
                names.known.insert(formal, actual.clone());
            }
        }
        for inner in &function.node {
            let changed = CHANGED
                .iter()
                .find(|(op, since)| *op == inner.op_type() && (version < *since) != (self.version < *since));
            if changed.is_some() && domain_of(inner.domain()).is_empty() {
                return Err(format!(
                    "{} in function {name} is of operator set {version}, the graph of {}",
                    inner.op_type(),
                    self.version
                ));
            }
            let attributes = inner.attribute.iter();
            let attribute = attributes.filter_map(|attribute| resolved(attribute, &node, function)).collect();
            let input = inner.input.iter().map(|name| names.of(name)).collect();
            let output = inner.output.iter().map(|name| names.of(name)).collect();
            let label = inner.name.as_ref().map(|label| names.of(label));
            let inner = Node { input, output, name: label, attribute, ..Node::without_values(inner) };
            self.put(inner, depth + 1)?;
        }
        for (formal, actual) in copied {
            let from = names.of(formal);
            self.put(Node::new("Identity", &[&from], actual, Vec::new()), depth + 1)?;
        }
        Ok(())
    }
}

/// The names of one call.
struct Names<'a> {
    prefix: String,
    known: HashMap<&'a str, String>,
}

impl Names<'_> {
    fn of(&self, name: &str) -> String {
        match self.known.get(name) {
            Some(outside) => outside.clone(),
            None if name.is_empty() => String::new(),
            None => format!("{}{name}", self.prefix),
        }
    }
}

/// An attribute of a function's node for one call: what it refers to, of the call or by default; `None` if neither has
/// it.
fn resolved(attribute: &Attribute, call: &Node, function: &Function) -> Option<Attribute> {
    let Some(reference) = attribute.ref_attr_name.as_deref().filter(|name| !name.is_empty()) else {
        return Some(attribute.clone());
    };
    let default = || function.attribute_proto.iter().find(|default| default.name() == reference);
    let value = call.attribute(reference).or_else(default)?;
    Some(Attribute { name: attribute.name.clone(), ref_attr_name: None, ..value.clone() })
}

impl Node {
    /// Its operator alone.
    fn without_values(node: &Node) -> Node {
        Node { op_type: node.op_type.clone(), domain: node.domain.clone(), ..Node::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::file_of;
    use crate::onnx::{Graph, ValueInfo};

    /// A file that calls function `f0`, and functions of these nodes.
    fn file(bodies: Vec<Vec<Node>>) -> Model {
        let call = |name: &str, input: &str, output: &str| Node {
            domain: Some("own".into()),
            ..Node::new(name, &[input], output, Vec::new())
        };
        let graph = Graph {
            node: vec![call("f0", "x", "y")],
            input: vec![ValueInfo::rows("x", &[4])],
            output: vec![ValueInfo::rows("y", &[4])],
            ..Graph::default()
        };
        let mut model = file_of(graph, Vec::new());
        model.functions = bodies
            .into_iter()
            .enumerate()
            .map(|(index, node)| Function {
                name: Some(format!("f{index}")),
                domain: Some("own".into()),
                input: vec!["a".into()],
                output: vec!["b".into()],
                opset_import: model.opset_import.clone(),
                node,
                ..Function::default()
            })
            .collect();
        model
    }

    fn own(name: &str, input: &str, output: &str) -> Node {
        Node { domain: Some("own".into()), ..Node::new(name, &[input], output, Vec::new()) }
    }

    #[test]
    fn calls_are_replaced() {
        let negate = vec![Node::new("Neg", &["a"], "t", Vec::new()), own("f1", "t", "b")];
        let mut model = file(vec![negate, vec![Node::new("Abs", &["a"], "b", Vec::new())]]);
        inline(&mut model).unwrap();
        let kinds: Vec<&str> = model.graph.node.iter().map(Node::op_type).collect();
        assert_eq!(kinds, ["Neg", "Abs"]);
        assert_eq!(model.graph.node[1].output, ["y"]);
        assert_eq!(model.graph.node[0].output, model.graph.node[1].input);
        assert!(model.functions.is_empty());
    }

    #[test]
    fn an_output_that_is_the_input_is_copied() {
        let mut model = file(vec![vec![Node::new("Neg", &["a"], "t", Vec::new())]]);
        model.functions[0].output = vec!["a".into()];
        inline(&mut model).unwrap();
        let last = model.graph.node.last().unwrap();
        assert_eq!(
            (last.op_type(), &last.input[..], &last.output[..]),
            ("Identity", &["x".into()][..], &["y".into()][..])
        );
    }

    #[test]
    fn cycles_explosions_and_duplicates_are_refused() {
        let mut itself = file(vec![vec![own("f0", "a", "b")]]);
        assert!(inline(&mut itself).unwrap_err().contains("calls itself"));
        // Each calls the next twice: 2^30 nodes.
        let twice =
            |next: usize| vec![own(&format!("f{next}"), "a", "t"), own(&format!("f{next}"), "t", "b")];
        let mut bodies: Vec<Vec<Node>> = (1..=30).map(twice).collect();
        bodies.push(vec![Node::new("Neg", &["a"], "b", Vec::new())]);
        let reason = inline(&mut file(bodies)).unwrap_err();
        assert!(reason.contains("8192"), "{reason}");
        let mut two = file(vec![vec![own("f1", "a", "b")], vec![]]);
        two.functions[1].name = Some("f0".into());
        assert!(inline(&mut two).unwrap_err().contains("twice"));
    }

    #[test]
    fn another_operator_set_is_refused_where_it_matters() {
        let body = |op: &str| vec![Node::new(op, &["a"], "b", Vec::new())];
        for (op, fits) in [("Relu", true), ("Softmax", false)] {
            let mut model = file(vec![body(op)]);
            model.functions[0].opset_import[0].version = Some(11);
            assert_eq!(inline(&mut model).is_ok(), fits, "{op}");
        }
    }
}
