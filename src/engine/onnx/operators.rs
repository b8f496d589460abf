//! The operators that the ONNX engine supports.
//!
//! Feed-forward networks need only these. An explicit list keeps the rest of the runtime out of the binary, and
//! excludes what could run forever or take a shape from its input: control flow, sequences, random numbers. More are
//! supported, which [`crate::onnx::Model::for_rten`] writes out in these: `Relu`, `Dropout`, `Attention` and others.

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
    Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast
    CastLike Ceil Clip Concat ConstantOfShape Conv ConvInteger ConvTranspose Cos CumSum DepthToSpace
    DequantizeLinear DFT Div Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND
    Gelu Gemm GlobalAveragePool Greater GreaterOrEqual GridSample GRU HardSigmoid HardSwish Identity
    InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization
    LSTM MatMul MatMulInteger Max MaxPool Mean Min Mod Mul Neg Not OneHot Or Pad Pow PRelu Range Reciprocal
    ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Reshape Resize ReverseSequence RotaryEmbedding Round Scatter ScatterElements
    ScatterND Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign Split Sqrt Squeeze STFT Sub Sum
    Tan Tanh Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
}

/// The operators in `used` that the engine does not support, joined for a message; `None` if it supports all.
pub fn unknown(used: &BTreeSet<String>) -> Option<String> {
    // The loader itself reads constants.
    let known = |name: &&String| name.as_str() != "Constant" && !OPERATORS.contains(&name.as_str());
    let unknown: Vec<&str> = used.iter().filter(known).map(String::as_str).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}
