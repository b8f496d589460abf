//! The operators that the ONNX engine supports.
//!
//! Feed-forward networks need only these. An explicit list keeps the rest of the runtime out of the binary, and
//! excludes what could run forever or take a shape from its input: control flow, sequences, random numbers.

use std::collections::BTreeSet;

macro_rules! operators {
    ($($name:ident)*) => {
        /// The names of the operators, as an ONNX file spells them.
        pub const OPERATORS: &[&str] = &[$(stringify!($name)),*];

        /// The operators, for the runtime.
        pub fn registry() -> rten::OpRegistry {
            rten::op_registry!($($name),*)
        }
    };
}

operators! {
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Clip Concat ConstantOfShape
    Conv ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Einsum Elu Equal Erf
    Exp Expand Flatten Floor Gather GatherElements Gelu Gemm GlobalAveragePool Greater GreaterOrEqual GRU
    HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax LpNormalization LSTM MatMul MatMulInteger Max MaxPool Mean Min Mod Mul Neg Not Or Pad Pow PRelu
    QuantizeLinear Range Reciprocal ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Round Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign Split Sqrt
    Squeeze Sub Sum Tan Tanh Tile Transpose Trilu Unsqueeze Where
}

/// The operators in `used` that the engine does not support, joined for a message; `None` if it supports all.
pub fn unknown(used: &BTreeSet<String>) -> Option<String> {
    // The loader itself reads constants.
    let known = |name: &&String| name.as_str() != "Constant" && !OPERATORS.contains(&name.as_str());
    let unknown: Vec<&str> = used.iter().filter(known).map(String::as_str).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}
