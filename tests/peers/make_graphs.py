"""Writes small ONNX graphs of every kind that the library must run, with onnxruntime's outputs.

    make_graphs.py FOLDER SEED

For each graph: `<name>.onnx`, `<name>.input.npy` (`[rows, ...]`) and `<name>.<index>.npy` for each output
(`[rows, dim]`). Weights, inputs and batch-norm statistics are drawn from SEED; `tests/data/graphs` has seed 0.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FRAMES, BANDS = 16, 8


class Graph:
    def __init__(self, rng):
        self.rng, self.nodes, self.constants = rng, [], []

    def weight(self, *shape, dtype=np.float32):
        name = f"w{len(self.constants)}"
        fan_in = max(1, int(np.prod(shape[1:])))
        value = self.rng.normal(0, 1 / np.sqrt(fan_in), shape).astype(dtype)
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def ints(self, *values):
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def positive(self, size):
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(self.rng.uniform(0.5, 2, size).astype(np.float32), name))
        return name

    def node(self, op, *inputs, name=None, **attributes):
        name = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def model(self, inputs, outputs, opset=17, ir_version=8, listed=()):
        def info(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        infos = [info(name, shape) for name, shape in inputs]
        # Files of IR version 3 list initialisers among the inputs.
        infos += [info(c.name, list(c.dims)) for c in self.constants if c.name in listed]
        graph = helper.make_graph(self.nodes, "graph", infos, [info(*output) for output in outputs], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
        onnx.checker.check_model(model, full_check=True)
        return model


def dense(g, x, width_in, width_out, name=None):
    return g.node("Gemm", x, g.weight(width_in, width_out), g.weight(width_out), name=name)


def head_softmax(rng):
    """A head like the published ones: a hidden layer, a softmax, TensorFlow's names."""
    g = Graph(rng)
    hidden = dense(g, "model/Placeholder", 20, 10, name="model/dense/BiasAdd")
    x = dense(g, g.node("Relu", hidden), 10, 7)
    g.node("Softmax", x, name="model/Softmax", axis=-1)
    return g.model([("model/Placeholder", ["n", 20])], [("model/Softmax", ["n", 7]), ("model/dense/BiasAdd", ["n", 10])])


def head_sigmoid(rng):
    """A head in half precision, except for its input and output."""
    g = Graph(rng)
    x = g.node("Cast", "embeddings", to=TensorProto.FLOAT16)
    x = g.node("MatMul", x, g.weight(20, 9, dtype=np.float16))
    x = g.node("Add", x, g.weight(9, dtype=np.float16))
    g.node("Sigmoid", g.node("Cast", x, to=TensorProto.FLOAT), name="activations")
    return g.model([("embeddings", [None, 20])], [("activations", [None, 9])])


def head_identity(rng):
    """A regression head of one value. Its weights are listed among its inputs, as in old files."""
    g = Graph(rng)
    x = dense(g, "model/Placeholder", 20, 1)
    g.node("Identity", x, name="model/Identity")
    return g.model([("model/Placeholder", ["n", 20])], [("model/Identity", ["n", 1])], opset=9, ir_version=3, listed=("w0", "w1"))


def convolutions(g, x, channels=6):
    """The usual operators of an audio network: [n, 1, frames, bands] to [n, 2 channels]."""
    x = g.node("Pad", x, g.ints(0, 0, 0, 0, 0, 0, 1, 1))
    x = g.node("Conv", x, g.weight(channels, 1, 3, 3), g.weight(channels), strides=[2, 2])
    statistics = [g.positive(channels), g.weight(channels), g.weight(channels), g.positive(channels)]
    x = g.node("BatchNormalization", x, *statistics, epsilon=1e-3)
    x = g.node("Mul", x, g.node("Sigmoid", x))
    y = g.node("Conv", x, g.weight(channels, 1, 3, 3), group=channels, pads=[1, 1, 1, 1])
    squeezed = g.node("Sigmoid", g.node("Conv", g.node("GlobalAveragePool", y), g.weight(channels, channels, 1, 1)))
    x = g.node("Add", x, g.node("Mul", y, squeezed))
    x = g.node("Elu", g.node("Conv", x, g.weight(2 * channels, channels, 1, 1)))
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    return g.node("ReduceMean", x, axes=[2, 3], keepdims=0)


def fixed_batch(rng):
    """A converted TensorFlow graph: a batch of 64 fixed in its reshapes, and outputs without useful names."""
    g = Graph(rng)
    x = g.node("Reshape", "serving_default_melspectrogram", g.ints(64, 1, FRAMES, BANDS))
    x = convolutions(g, x)
    embeddings = g.node("Reshape", x, g.ints(64, 12), name="PartitionedCall_1")
    dense(g, embeddings, 12, 5, name="PartitionedCall_0")
    shapes = [("PartitionedCall_0", [64, 5]), ("PartitionedCall_1", [64, 12])]
    return g.model([("serving_default_melspectrogram", [64, FRAMES, BANDS])], shapes)


def channel_first(rng):
    g = Graph(rng)
    dense(g, convolutions(g, "image"), 12, 4, name="embeddings")
    return g.model([("image", ["n", 1, FRAMES, BANDS])], [("embeddings", ["n", 4])])


def channel_last(rng):
    g = Graph(rng)
    x = convolutions(g, g.node("Transpose", "image", perm=[0, 3, 1, 2]))
    dense(g, x, 12, 4, name="predictions")
    g.node("Identity", x, name="embeddings")
    return g.model([("image", ["n", FRAMES, BANDS, 1])], [("predictions", ["n", 4]), ("embeddings", ["n", 12])])


def unsaid_width(rng):
    """An output whose width is not fixed, with rows that are not flat."""
    g = Graph(rng)
    x = g.node("Unsqueeze", "melspectrogram", g.ints(1))
    x = convolutions(g, x)
    g.node("Unsqueeze", x, g.ints(2, 3), name="maps")
    return g.model([("melspectrogram", ["n", FRAMES, BANDS])], [("maps", ["n", "channels", "height", "width"])])


def attention(rng):
    """A transformer's layer over time: layer norm, three projections, softmax, erf."""
    g, width = Graph(rng), 8
    x = "melspectrogram"
    mean = g.node("ReduceMean", x, axes=[-1])
    centred = g.node("Sub", x, mean)
    variance = g.node("ReduceMean", g.node("Mul", centred, centred), axes=[-1])
    g.constants.append(numpy_helper.from_array(np.float32(1e-5), "epsilon"))
    x = g.node("Div", centred, g.node("Sqrt", g.node("Add", variance, "epsilon")))
    query, key, value = (g.node("MatMul", x, g.weight(width, width)) for _ in range(3))
    weights = g.node("Softmax", g.node("MatMul", query, g.node("Transpose", key, perm=[0, 2, 1])), axis=-1)
    x = g.node("Add", x, g.node("MatMul", weights, value))
    x = g.node("Mul", x, g.node("Add", g.node("Erf", x), g.node("Erf", x)))
    g.node("Flatten", g.node("ReduceMax", x, axes=[1], keepdims=0), name="embeddings", axis=1)
    return g.model([("melspectrogram", ["n", FRAMES, BANDS])], [("embeddings", ["n", width])])


GRAPHS = [head_softmax, head_sigmoid, head_identity, fixed_batch, channel_first, channel_last, unsaid_width, attention]


def main():
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for index, make in enumerate(GRAPHS):
        rng = np.random.default_rng([seed, index])
        model, name = make(rng), make.__name__
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        put = session.get_inputs()[0]
        batch = put.shape[0] if isinstance(put.shape[0], int) else 1
        # More than one batch of the fixed size, and not a multiple of it.
        rows = 70 if batch > 1 else 5
        values = rng.normal(0, 2, [rows, *put.shape[1:]]).astype(np.float32)
        results = []
        for first in range(0, rows, batch):
            part = values[first : first + batch]
            padded = np.zeros([batch, *put.shape[1:]], np.float32)
            padded[: len(part)] = part
            results.append([output[: len(part)] for output in session.run(None, {put.name: padded})])
        onnx.save(model, folder / f"{name}.onnx")
        np.save(folder / f"{name}.input.npy", values.reshape(rows, -1))
        for output in range(len(results[0])):
            np.save(folder / f"{name}.{output}.npy", np.concatenate([r[output] for r in results]).reshape(rows, -1))
    print(" ".join(make.__name__ for make in GRAPHS))


if __name__ == "__main__":
    main()
