"""Writes an EfficientNet-B0 with random weights as ONNX, in the style of several exporters.

    make_effnet.py OUT.onnx --style torch|folded|half|tensorflow [--seed N] [--patches FILE.npy]
                   [--mutate NAME]

Every style of one seed computes the same kind of network, written as the exporter would:
  torch       batch norm as nodes, symmetric padding, batch size free
  folded      the same network with batch norm folded into the convolutions
  half        folded, initialisers in half precision behind Cast nodes
  tensorflow  rank-3 input, NHWC with transposes, affine normalisation, "same" padding (asymmetric at
              stride 2), batch size fixed to 64, dense layers with batch norm after the pooling
`--mutate` writes a graph that is almost an EfficientNet-B0 (see MUTATIONS).
`--patches` is a file of float32 patches [n, 128, 96]. The mean and variance of the last batch norm are then those of
the network's features on them, as after training, so that embeddings of different patches differ in more than their
length. All weights, batch-norm means, variances, scales and shifts are random, so that swapped patches and errors in
folding change the outputs.
"""

import argparse

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

# repeats, kernel, stride, expansion, output channels
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
FRAMES, BANDS = 128, 96
MUTATIONS = [
    "width",  # one stage is wider
    "kernel",  # one depthwise kernel is 5x5 where B0 has 3x3
    "missing-block",  # a repeated block is left out
    "grouped",  # an expansion has two groups
    "relu",  # one activation is ReLU instead of SiLU
    "no-residual",  # one skip connection is left out
    "residual-elsewhere",  # one skip connection comes from another block
    "no-gate",  # one squeeze-and-excite is left out
    "dilated",  # one depthwise convolution is dilated
    "max-pool",  # the maximum over the map instead of the mean
    "padding-value",  # the border is filled with ones
]


class Builder:
    """Nodes and initialisers of one graph."""

    def __init__(self, args):
        self.args = args
        self.random = np.random.default_rng(args.seed)
        self.nodes, self.initialisers = [], []
        self.count = 0

    def batch(self):
        """The batch size that TensorFlow's style is fixed to; -1 for any."""
        return getattr(self.args, "batch", 64) or -1

    def name(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def node(self, op, inputs, **attributes):
        out = self.name(op)
        self.nodes.append(helper.make_node(op, inputs, [out], name=out + "_node", **attributes))
        return out

    def constant(self, array, stem="w"):
        name = self.name(stem)
        array = np.asarray(array)
        if self.args.style == "half" and array.dtype == np.float32:
            self.initialisers.append(numpy_helper.from_array(array.astype(np.float16), name))
            return self.node("Cast", [name], to=TensorProto.FLOAT)
        self.initialisers.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, *shape):
        fan_in = int(np.prod(shape[1:]))
        return (self.random.standard_normal(shape) * np.sqrt(1.3 / fan_in)).astype(np.float32)

    def statistics(self, channels):
        """Scale, shift, mean and variance of a batch norm."""
        r = self.random
        scale = r.uniform(0.6, 1.6, channels) * r.choice([-1.0, 1.0], channels, p=[0.1, 0.9])
        return [
            v.astype(np.float32)
            for v in (
                scale,
                r.normal(0.0, 0.15, channels),
                r.normal(0.0, 0.15, channels),
                r.uniform(0.5, 1.5, channels),
            )
        ]

    # -- convolution + batch norm, in the exporter's style --

    def conv_norm(self, x, cout, cin, kernel=1, stride=1, depthwise=False, size=None, mutate=None, trained=False):
        style = self.args.style
        shape = (cout, 1 if depthwise else cin, kernel, kernel)
        groups = cout if depthwise else 1
        dilation = 1
        if mutate == "grouped":
            groups, shape = 2, (cout, cin // 2, 1, 1)
        if mutate == "dilated":
            dilation = 2
        w = self.weights(*shape)
        scale, shift, mean, var = self.statistics(cout)
        if trained and self.args.patches:
            mean, var = self.measured(x, w)
            shift = shift - np.float32(0.5)
        eps = 1e-3 if style == "tensorflow" else 1e-5
        factor = (scale.astype(np.float64) / np.sqrt(var.astype(np.float64) + eps)).astype(np.float32)
        offset = (shift - mean * factor).astype(np.float32)
        attributes = dict(
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            group=groups,
            dilations=[dilation, dilation],
        )
        if style == "tensorflow":
            pads = same_padding(size or (1, 1), kernel, stride)
            if stride == 2 and depthwise and any(pads):
                # An explicit Pad in NHWC order, as Keras writes it.
                full = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]
                x = self.node("Pad", [x, self.constant(np.array(full, np.int64))], mode="constant")
                pads = [0, 0, 0, 0]
            attributes["pads"] = pads
            if depthwise:
                # The scale remains as a Mul, the shift as an Add.
                y = self.node("Conv", [x, self.constant(w)], **attributes)
                y = self.node("Mul", [y, self.constant(factor.reshape(1, -1, 1, 1))])
                return self.node("Add", [y, self.constant(offset.reshape(1, -1, 1, 1))])
            w = w * factor.reshape(-1, 1, 1, 1)
            return self.node("Conv", [x, self.constant(w), self.constant(offset)], **attributes)
        half = dilation * (kernel // 2)
        attributes["pads"] = [half] * 4
        if mutate == "padding-value":
            full = [0, 0, half, half, 0, 0, half, half]
            one = self.constant(np.float32(1.0))
            x = self.node("Pad", [x, self.constant(np.array(full, np.int64)), one], mode="constant")
            attributes["pads"] = [0] * 4
        if style == "torch":
            y = self.node("Conv", [x, self.constant(w)], **attributes)
            parameters = [self.constant(v) for v in (scale, shift, mean, var)]
            return self.node("BatchNormalization", [y, *parameters], epsilon=eps)
        w = w * factor.reshape(-1, 1, 1, 1)
        return self.node("Conv", [x, self.constant(w), self.constant(offset)], **attributes)

    def measured(self, x, w):
        """0.9 of the mean, and the variance, of a 1x1 convolution's channels on the calibration patches."""
        patches = np.load(self.args.patches)
        name, shape = self.input
        if isinstance(shape[0], int) and shape[0] > 1:
            patches = np.resize(patches, (shape[0], FRAMES, BANDS))
        model = finished(self, [(x, None)], [x])
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        step = shape[0] if isinstance(shape[0], int) else len(patches)
        parts = [session.run([x], {name: patches[i : i + step]})[0] for i in range(0, len(patches), step)]
        features = np.concatenate(parts)
        z = np.einsum("oi,nihw->onhw", w[:, :, 0, 0].astype(np.float64), features.astype(np.float64))
        z = z.reshape(len(z), -1)
        return (0.9 * z.mean(1)).astype(np.float32), z.var(1).astype(np.float32)

    def silu(self, x):
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def gate(self, x, channels, squeezed):
        """Squeeze-and-excite."""
        tensorflow = self.args.style == "tensorflow"
        y = self.node("GlobalAveragePool", [x])
        if tensorflow:
            y = self.node("Squeeze", [y, self.constant(np.array([2, 3], np.int64))])
            y = self.node("Reshape", [y, self.constant(np.array([self.batch(), channels, 1, 1], np.int64))])
        w1, b1 = self.weights(squeezed, channels, 1, 1), self.random.normal(0, 0.3, squeezed)
        w2, b2 = self.weights(channels, squeezed, 1, 1), self.random.normal(0.5, 0.8, channels)
        y = self.node("Conv", [y, self.constant(w1), self.constant(b1.astype(np.float32))], kernel_shape=[1, 1])
        y = self.silu(y)
        if tensorflow:
            y = self.node("Reshape", [y, self.constant(np.array([self.batch(), squeezed, 1, 1], np.int64))])
        y = self.node("Conv", [y, self.constant(w2), self.constant(b2.astype(np.float32))], kernel_shape=[1, 1])
        return self.node("Mul", [x, self.node("Sigmoid", [y])])

    # -- the network --

    def features(self, x, size):
        mutate = self.args.mutate
        size = list(size)
        x = self.silu(self.conv_norm(x, 32, 1, 3, 2, size=size))
        size = [(s + 1) // 2 for s in size]
        cin, earlier = 32, None
        for stage, (repeats, kernel, stride, expansion, cout) in enumerate(STAGES):
            if mutate == "width" and stage == 4:
                cout = 128
            if mutate == "kernel" and stage == 3:
                kernel = 5
            if mutate == "missing-block" and stage == 5:
                repeats -= 1
            for i in range(repeats):
                here = mutate if (stage, i) == (3, 2) else None
                if (stage, i) == (3, 1):
                    earlier = x
                s = stride if i == 0 else 1
                source, y, wide = x, x, cin * expansion
                if expansion != 1:
                    y = self.conv_norm(y, wide, cin, mutate=here if here == "grouped" else None)
                    y = self.node("Relu", [y]) if here == "relu" else self.silu(y)
                passed = here if here in ("dilated", "padding-value") else None
                y = self.silu(self.conv_norm(y, wide, wide, kernel, s, True, size, passed))
                size = [(d + s - 1) // s for d in size]
                if here != "no-gate":
                    y = self.gate(y, wide, max(1, cin // 4))
                y = self.conv_norm(y, cout, wide)
                if s == 1 and cin == cout and here != "no-residual":
                    y = self.node("Add", [y, earlier if here == "residual-elsewhere" else source])
                x, cin = y, cout
        return self.silu(self.conv_norm(x, 1280, cin, trained=True))

    def dense(self, x, cin, cout):
        w = (self.random.standard_normal((cin, cout)) / np.sqrt(cin)).astype(np.float32)
        b = self.random.normal(0, 0.2, cout).astype(np.float32)
        return self.node("Add", [self.node("MatMul", [x, self.constant(w)]), self.constant(b)])


def same_padding(size, kernel, stride):
    """TensorFlow's "same": the odd pixel goes to the end."""
    total = [max(0, ((s + stride - 1) // stride - 1) * stride + kernel - s) for s in size]
    begin = [t // 2 for t in total]
    return begin + [t - b for t, b in zip(total, begin)]


def torch_graph(b):
    x = b.node("Unsqueeze", ["melspectrogram", b.constant(np.array([1], np.int64))])
    x = b.features(x, (FRAMES, BANDS))
    if b.args.mutate == "max-pool":
        x = b.node("GlobalMaxPool", [x])
    else:
        x = b.node("GlobalAveragePool", [x])
    embeddings = b.node("Flatten", [x], axis=1)
    w = (b.random.standard_normal((512, 1280)) / np.sqrt(1280)).astype(np.float32)
    y = b.node(
        "Gemm",
        [embeddings, b.constant(w), b.constant(b.random.normal(0, 0.2, 512).astype(np.float32))],
        transB=1,
    )
    gain = b.random.uniform(0.5, 1.5, 512).astype(np.float32)
    shift = b.random.normal(0, 0.2, 512).astype(np.float32)
    y = b.node("LayerNormalization", [y, b.constant(gain), b.constant(shift)], axis=-1, epsilon=1e-5)
    projection = b.node("Tanh", [y])
    return [(projection, 512), (embeddings, 1280)]


def tensorflow_features(b):
    """The pooled features, in TensorFlow's style."""
    x = b.node("Unsqueeze", ["serving_default_melspectrogram", b.constant(np.array([3], np.int64))])
    # A slice that does nothing, as in the conversion of an ellipsis.
    ints = lambda *v: b.constant(np.array(v, np.int64))
    most = 2**31 - 1 if b.batch() < 0 else b.batch()
    x = b.node("Slice", [x, ints(0, 0, 0, 0), ints(most, FRAMES, BANDS, 1), ints(0, 1, 2, 3)])
    one = lambda v: b.constant(np.array([[[[v]]]], np.float32))
    x = b.node("Mul", [x, one(0.8)])
    x = b.node("Add", [x, one(-0.35)])
    x = b.node("Mul", [x, one(1.3)])
    x = b.node("Transpose", [x], perm=[0, 3, 1, 2])
    x = b.features(x, (FRAMES, BANDS))
    x = b.node("GlobalAveragePool", [x])
    x = b.node("Squeeze", [x, b.constant(np.array([2, 3], np.int64))])
    return x


def tensorflow_graph(b):
    x = tensorflow_features(b)
    embeddings = b.node("Identity", [x])
    y = b.dense(x, 1280, 512)
    scale, shift, mean, var = b.statistics(512)
    factor = scale / np.sqrt(var + np.float32(1e-3))
    y = b.node("Mul", [y, b.constant(factor.reshape(1, -1))])
    y = b.node("Add", [y, b.constant((shift - mean * factor).reshape(1, -1))])
    y = b.node("Relu", [y])
    predictions = b.node("Sigmoid", [b.dense(y, 512, 400)])
    return [(predictions, 400), (embeddings, 1280)]


def finished(b, outputs, names):
    """The model with the tensors `outputs`, of the given sizes, as outputs with the given names."""
    nodes = list(b.nodes)
    for (tensor, _), name in zip(outputs, names):
        if tensor != name:
            nodes.append(helper.make_node("Identity", [tensor], [name]))
    name, shape = b.input
    graph = helper.make_graph(
        nodes,
        "effnet",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, dim and [shape[0], dim])
            for name, (_, dim) in zip(names, outputs)
        ],
        b.initialisers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--style", default="torch", choices=["torch", "folded", "half", "tensorflow"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patches")
    parser.add_argument("--mutate", choices=MUTATIONS)
    args = parser.parse_args()
    b = Builder(args)
    # Inputs and outputs have the names and shapes of the exporters.
    if args.style == "tensorflow":
        b.input = ("serving_default_melspectrogram", [64, FRAMES, BANDS])
        outputs, names = tensorflow_graph(b), ["PartitionedCall:0", "PartitionedCall:1"]
    else:
        b.input = ("melspectrogram", ["batch", FRAMES, BANDS])
        outputs, names = torch_graph(b), ["projections", "embeddings"]
    model = finished(b, outputs, names)
    onnx.checker.check_model(model)
    onnx.save(model, args.out)


if __name__ == "__main__":
    main()
