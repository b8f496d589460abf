//! The computation of an exported network in TorchScript's own language.

use std::fmt::Write;

use crate::network::architecture::{Block, Convolution, Encoder};
use crate::network::{Head, HeadKind};

/// The layers, as methods: what they are given is what `forward` finds in the module.
const LAYERS: &str = "\
def convolution(self, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    return torch.conv2d(x, weight, bias, [stride, stride], [padding, padding], [1, 1], groups)

def gate(self, x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    mean = torch.mean(x, [2, 3], True)
    y = torch.silu(self.convolution(mean, weight1, bias1, 1, 0, 1))
    y = self.convolution(y, weight2, bias2, 1, 0, 1)
    return torch.mul(x, torch.sigmoid(y))

";

/// The number of single precision among PyTorch's types of elements.
const FLOAT: u32 = 6;

/// The methods of a module whose parameters have their names from a checkpoint.
///
/// `forward` takes patches `[n, 128, 96]` of any type, casts them to that of the parameters, and returns what the heads
/// make of them and the embeddings, in f32.
pub(super) fn source(heads: &[Head]) -> String {
    let encoder = Encoder::b0();
    let mut source = Source { text: LAYERS.to_owned() };
    let types = vec!["Tensor"; heads.len() + 1].join(", ");
    // A tuple even of one, so that every network returns the same kind of thing.
    source.line(0, format!("def forward(self, x: Tensor) -> Tuple[{types}]:"));
    let first = parameter(&encoder.stem.conv(), "weight");
    source.set("x", format!("torch.unsqueeze(torch.to(x, {first}), 1)"));
    source.convolution(&encoder.stem);
    for block in &encoder.blocks {
        source.block(block);
    }
    source.convolution(&encoder.head);
    source.set("embeddings", "torch.mean(x, [2, 3])".into());
    let mut results = Vec::new();
    for (index, head) in heads.iter().enumerate() {
        let path = head.path();
        let of = |name: &str| parameter(&path, name);
        let y = format!("y{index}");
        let dense = format!("torch.linear(embeddings, {}, {})", of("dense.weight"), of("dense.bias"));
        source.set(&y, dense);
        match head.kind {
            HeadKind::Classes => source.set(&y, format!("torch.sigmoid({y})")),
            HeadKind::Projection => {
                let (scale, shift) = (of("norm.weight"), of("norm.bias"));
                let norm = format!("torch.layer_norm({y}, [{}], {scale}, {shift}, 1e-05)", head.values);
                source.set(&y, norm);
                source.set(&y, format!("torch.tanh({y})"));
            }
        }
        results.push(format!("torch.to({y}, {FLOAT})"));
    }
    results.push(format!("torch.to(embeddings, {FLOAT})"));
    source.line(1, format!("return ({},)", results.join(", ")));
    source.text
}

/// A parameter as an expression. Names such as `features.0.0` have parts that are no identifiers.
fn parameter(path: &str, name: &str) -> String {
    path.split('.').chain(name.split('.')).fold("self".to_owned(), |object, part| {
        if part.starts_with(|first: char| first.is_ascii_digit()) {
            format!("getattr({object}, \"{part}\")")
        } else {
            format!("{object}.{part}")
        }
    })
}

struct Source {
    text: String,
}

impl Source {
    fn line(&mut self, depth: usize, line: String) {
        writeln!(self.text, "{:1$}{line}", "", 4 * depth).expect("strings take all that is written");
    }

    fn set(&mut self, name: &str, value: String) {
        self.line(1, format!("{name} = {value}"));
    }

    fn convolution(&mut self, layer: &Convolution) {
        let path = layer.conv();
        let (weight, bias) = (parameter(&path, "weight"), parameter(&path, "bias"));
        let (stride, padding, groups) = (layer.stride, layer.padding(), layer.groups);
        let value = format!("self.convolution(x, {weight}, {bias}, {stride}, {padding}, {groups})");
        self.set("x", if layer.activated { format!("torch.silu({value})") } else { value });
    }

    fn block(&mut self, block: &Block) {
        if block.residual {
            self.set("given", "x".into());
        }
        block.expand.iter().for_each(|expand| self.convolution(expand));
        self.convolution(&block.depthwise);
        let of = |layer: &str, name: &str| parameter(&block.gate.path, &format!("{layer}.{name}"));
        let [w1, b1, w2, b2] =
            [of("fc1", "weight"), of("fc1", "bias"), of("fc2", "weight"), of("fc2", "bias")];
        self.set("x", format!("self.gate(x, {w1}, {b1}, {w2}, {b2})"));
        self.convolution(&block.project);
        if block.residual {
            self.set("x", "torch.add(x, given)".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_looked_up() {
        let name = parameter("features.1.0.block.0", "0.weight");
        let inner = r#"getattr(getattr(self.features, "1"), "0").block"#;
        assert_eq!(name, format!(r#"getattr(getattr({inner}, "0"), "0").weight"#));
        assert_eq!(parameter("heads.a", "dense.bias"), "self.heads.a.dense.bias");
    }
}
