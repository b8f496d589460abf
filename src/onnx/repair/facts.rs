//! What can be told of values without running the graph: the type of their elements and their number of dimensions.
//!
//! rten has four types: floats of any precision are f32, integers and booleans i32, besides signed and unsigned bytes.
//! What depends on the file's types (a conversion to booleans, a quantisation without zero point) has to be told by
//! them. An unknown type or rank is no error here: who needs it refuses.

use crate::onnx::{Node, Tensor, element};

/// Type and rank of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fact {
    /// One of [`element`]; 0 if it is not known.
    pub element: i64,
    pub rank: Option<usize>,
}

impl Fact {
    pub fn of(tensor: &Tensor) -> Fact {
        Fact { element: tensor.data_type(), rank: Some(tensor.dims.len()) }
    }
}

/// The facts of a node's outputs.
pub(super) fn of_outputs(
    node: &Node,
    known: &dyn Fn(&str) -> Option<Fact>,
    integers: &dyn Fn(&str) -> Option<Vec<i64>>,
) -> Vec<(String, Fact)> {
    let at = |index: usize| node.input_at(index).and_then(known).unwrap_or_default();
    let of_type = |element| Fact { element, ..at(0) };
    let of_rank = |rank| Fact { rank, ..at(0) };
    let widest = || {
        let mut ranks = node.input.iter().filter(|name| !name.is_empty()).map(|name| known(name)?.rank);
        ranks.try_fold(0, |widest, rank| Some(widest.max(rank?)))
    };
    // How many axes are stated, in an attribute or an input.
    let axes = |index: usize| {
        let attribute = node.ints("axes").map(<[i64]>::to_vec);
        attribute.or_else(|| integers(node.input_at(index)?)).map(|axes| axes.len())
    };
    let less = |rank: Option<usize>, by: Option<usize>| rank?.checked_sub(by?);
    let index = |rank| Fact { element: element::I64, rank };
    let first = match node.op_type() {
        "Constant" => match (node.attribute("value"), &node.attribute[..]) {
            (Some(value), _) => value.t.as_deref().map(Fact::of).unwrap_or_default(),
            (None, [value]) => match value.name() {
                "value_float" => Fact { element: element::F32, rank: Some(0) },
                "value_floats" => Fact { element: element::F32, rank: Some(1) },
                "value_int" => index(Some(0)),
                "value_ints" => index(Some(1)),
                _ => Fact::default(),
            },
            _ => Fact::default(),
        },
        "Cast" => of_type(node.int("to").unwrap_or(0)),
        "CastLike" => of_type(at(1).element),
        "Shape" => index(Some(1)),
        "Size" => index(Some(0)),
        "NonZero" => index(Some(2)),
        "ArgMax" | "ArgMin" => index(match node.int("keepdims") {
            Some(0) => less(at(0).rank, Some(1)),
            _ => at(0).rank,
        }),
        "IsNaN" | "IsInf" | "Not" => of_type(element::BOOL),
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
            Fact { element: element::BOOL, rank: widest() }
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Max" | "Min" | "Mean" | "Sum" | "PRelu" => {
            of_rank(widest())
        }
        "Where" => Fact { element: at(1).element, rank: widest() },
        "QuantizeLinear" => of_type(match (node.int("output_dtype"), node.input_at(2)) {
            (Some(element), _) if element != 0 => element,
            (_, Some(_)) => at(2).element,
            _ => element::U8,
        }),
        "DynamicQuantizeLinear" => of_type(element::U8),
        "DequantizeLinear" => of_type(at(1).element),
        "MatMulInteger" => Fact { element: element::I32, ..product(at(0), at(1)) },
        "MatMul" => product(at(0), at(1)),
        "ConvInteger" => of_type(element::I32),
        "Gemm" | "Flatten" => of_rank(Some(2)),
        "Reshape" => {
            let shape = node.ints("shape").map(<[i64]>::to_vec).or_else(|| integers(node.input_at(1)?));
            of_rank(shape.map(|shape| shape.len()))
        }
        "Expand" => {
            let shape = node.input_at(1).and_then(integers).map(|shape| shape.len());
            of_rank(shape.zip(at(0).rank).map(|(shape, rank)| shape.max(rank)))
        }
        "ConstantOfShape" => Fact {
            element: node
                .attribute("value")
                .and_then(|value| value.t.as_deref())
                .map_or(element::F32, Tensor::data_type),
            rank: node.input_at(0).and_then(integers).map(|shape| shape.len()),
        },
        "Einsum" | "GatherND" => of_rank(None),
        "DFT" | "GridSample" | "RotaryEmbedding" => at(0),
        "STFT" => of_rank(Some(4)),
        "EyeLike" => of_type(node.int("dtype").unwrap_or(at(0).element)),
        "Range" => of_rank(Some(1)),
        "Squeeze" => of_rank(less(at(0).rank, axes(1))),
        "Unsqueeze" => of_rank(at(0).rank.zip(axes(1)).map(|(rank, axes)| rank + axes)),
        "Gather" => {
            of_rank(at(0).rank.zip(at(1).rank).and_then(|(rank, indices)| (rank + indices).checked_sub(1)))
        }
        "LSTM" | "GRU" => of_rank(Some(4)),
        "OneHot" => Fact { element: at(2).element, rank: at(0).rank.map(|rank| rank + 1) },
        name if name.starts_with("Reduce") => of_rank(match node.int("keepdims") {
            // Over all axes, if none are stated.
            Some(0) if node.attribute("axes").is_none() && node.input_at(1).is_none() => Some(0),
            Some(0) => less(at(0).rank, axes(1).filter(|&axes| axes > 0)),
            _ => at(0).rank,
        }),
        // What changes neither type nor rank.
        "Abs"
        | "Acos"
        | "Acosh"
        | "Asin"
        | "Asinh"
        | "Atan"
        | "Atanh"
        | "AveragePool"
        | "BatchNormalization"
        | "Ceil"
        | "Celu"
        | "Clip"
        | "Concat"
        | "Conv"
        | "ConvTranspose"
        | "Cos"
        | "Cosh"
        | "CumSum"
        | "DepthToSpace"
        | "Dropout"
        | "Elu"
        | "Erf"
        | "Exp"
        | "Floor"
        | "GatherElements"
        | "Gelu"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "GroupNormalization"
        | "HardSigmoid"
        | "HardSwish"
        | "Hardmax"
        | "Identity"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "LeakyRelu"
        | "Log"
        | "LogSoftmax"
        | "LpNormalization"
        | "MaxPool"
        | "Mish"
        | "Neg"
        | "Pad"
        | "RMSNormalization"
        | "Reciprocal"
        | "Relu"
        | "Resize"
        | "ReverseSequence"
        | "Round"
        | "Scatter"
        | "ScatterElements"
        | "ScatterND"
        | "Selu"
        | "Shrink"
        | "Sigmoid"
        | "Sign"
        | "Sin"
        | "Sinh"
        | "Slice"
        | "Softmax"
        | "Softplus"
        | "Softsign"
        | "Split"
        | "Sqrt"
        | "Swish"
        | "Tan"
        | "Tanh"
        | "ThresholdedRelu"
        | "Tile"
        | "TopK"
        | "Transpose"
        | "Trilu"
        | "Upsample" => at(0),
        _ => Fact::default(),
    };
    let later = |position: usize| match (node.op_type(), position) {
        ("Split", _) => at(0),
        ("TopK" | "MaxPool", _) => of_type(element::I64),
        ("Dropout", _) => of_type(element::BOOL),
        ("LSTM" | "GRU", _) => of_rank(Some(3)),
        ("DynamicQuantizeLinear", 1) => Fact { element: element::F32, rank: Some(0) },
        ("DynamicQuantizeLinear", _) => Fact { element: element::U8, rank: Some(0) },
        _ => Fact::default(),
    };
    let outputs = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
    outputs.map(|(index, name)| (name.clone(), if index == 0 { first } else { later(index) })).collect()
}

/// The rank of a matrix product: vectors lose their only dimension.
fn product(a: Fact, b: Fact) -> Fact {
    let rank = a.rank.zip(b.rank).and_then(|(a, b)| match (a, b) {
        (1, b) => b.checked_sub(1),
        (a, 1) => a.checked_sub(1),
        (a, b) => Some(a.max(b)),
    });
    Fact { rank, ..a }
}
