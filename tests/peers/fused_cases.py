"""Small random convolutional graphs, and what onnxruntime makes of them and of given models.

    fused_cases.py FOLDER [--graphs N] [--seed S] [MODEL.onnx ...]

Writes FOLDER/NAME.onnx (graphs only), NAME.input.npy (some inputs, one per row) and NAME.<i>.npy (output `i`, in rows);
NAME is graph_<n>, or the model's stem. Everything in one process, because starting Python takes longer than a graph.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """An NCHW graph under construction, with the shape of each tensor behind the batch."""

    def __init__(self, random):
        self.random, self.nodes, self.weights, self.shapes = random, [], [], {}

    def const(self, array):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def floats(self, shape, scale):
        return self.const((self.random.uniform(-1, 1, shape) * scale).astype(np.float32))

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def op(self, kind, inputs, shape, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        self.shapes[name] = list(shape)
        return name

    def pick(self, *values):
        return values[self.random.integers(len(values))]

    # -- layers: each returns a tensor, or None if it does not fit --

    def conv(self, x, kernel=None, filters=None, depthwise=False, plain=False):
        channels, height, width = self.shapes[x]
        kernel = kernel or [self.pick(1, 3, 3, 5, 7), self.pick(1, 3, 3, 5, 2)]
        strides = [1, 1] if plain else [self.pick(1, 1, 1, 2), self.pick(1, 1, 1, 2)]
        dilations = [1, 1] if plain else [self.pick(1, 1, 1, 2), self.pick(1, 1, 1, 2)]
        reach = [(k - 1) * d for k, d in zip(kernel, dilations)]
        pads = [self.pick(0, r // 2, r // 2, min(r, 3)) for r in reach] + [self.pick(0, r - r // 2, 1) for r in reach]
        out = [
            (n + pads[i] + pads[i + 2] - reach[i] - 1) // strides[i] + 1 if n + pads[i] + pads[i + 2] > reach[i] else 0
            for i, n in enumerate((height, width))
        ]
        if min(out) < 1:
            return None
        filters = channels if depthwise else filters or int(self.random.integers(1, 45))
        inputs = 1 if depthwise else channels
        weight = self.floats([filters, inputs, *kernel], np.sqrt(6 / (inputs * kernel[0] * kernel[1])))
        names = [x, weight] + ([self.floats([filters], 0.3)] if self.pick(0, 1) else [])
        group = channels if depthwise else 1
        return self.op(
            "Conv",
            names,
            [filters, *out],
            kernel_shape=kernel,
            strides=strides,
            dilations=dilations,
            pads=pads,
            group=group,
        )

    def norm(self, x):
        channels = self.shapes[x][0]
        parts = [self.floats([channels], 1.2), self.floats([channels], 0.4), self.floats([channels], 0.3)]
        parts.append(self.const(self.random.uniform(0.5, 1.5, channels).astype(np.float32)))
        return self.op("BatchNormalization", [x, *parts], self.shapes[x], epsilon=1e-3)

    def activation(self, x):
        kind = self.pick("Relu", "Relu", "Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Clip", "swish")
        shape = self.shapes[x]
        if kind == "Clip":
            limits = [self.const(np.array(value, np.float32)) for value in (0, 6)]
            return self.op("Clip", [x, *limits], shape)
        if kind == "swish":
            return self.op("Mul", [x, self.op("Sigmoid", [x], shape)], shape)
        return self.op(kind, [x], shape)

    def pool(self, x):
        channels, height, width = self.shapes[x]
        kind = self.pick("MaxPool", "MaxPool", "AveragePool", "reduce")
        if kind == "reduce":
            axis = self.pick(2, 3)
            shape = [channels, height, width]
            shape[axis - 1] = 1
            return self.op(self.pick("ReduceMax", "ReduceMean"), [x], shape, axes=[axis], keepdims=1)
        kernel = [self.pick(1, 2, 3), self.pick(1, 2, 3)]
        strides = kernel if self.pick(0, 1) else [self.pick(1, 2), self.pick(1, 2)]
        pads = [self.pick(0, 0, min(1, k - 1)) for k in kernel + kernel]
        out = [(n + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, n in enumerate((height, width))]
        if min(out) < 1 or height + pads[0] + pads[2] < kernel[0] or width + pads[1] + pads[3] < kernel[1]:
            return None
        more = {"count_include_pad": self.pick(0, 1)} if kind == "AveragePool" else {}
        return self.op(kind, [x], [channels, *out], kernel_shape=kernel, strides=strides, pads=pads, **more)

    def residual(self, x):
        channels = self.shapes[x][0]
        weight = self.floats([channels, channels, 3, 3], np.sqrt(0.6 / channels))
        y = self.op("Conv", [x, weight], self.shapes[x], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        if self.pick(0, 1):
            y = self.activation(y)
        return self.op("Add", self.pick([x, y], [y, x]), self.shapes[x])

    def gate(self, x):
        channels = self.shapes[x][0]
        y = self.op("GlobalAveragePool", [x], [channels, 1, 1])
        y = self.op("Conv", [y, self.floats([channels, channels, 1, 1], 0.5)], [channels, 1, 1], kernel_shape=[1, 1])
        return self.op("Mul", [x, self.op("Sigmoid", [y], [channels, 1, 1])], self.shapes[x])

    def branches(self, x):
        parts = [self.conv(x, kernel, plain=True) for kernel in ([1, 1], [3, 1], [1, 3])]
        parts = [part for part in parts if part]
        height = [part for part in parts if self.shapes[part][1:] == self.shapes[parts[0]][1:]] if parts else []
        if not height:
            return None
        shape = [sum(self.shapes[part][0] for part in height), *self.shapes[height[0]][1:]]
        return self.op("Concat", height, shape, axis=1)

    def around(self, x):
        """To channels last and back, with a layer between that does not mind."""
        channels, height, width = self.shapes[x]
        y = self.op("Transpose", [x], [height, width, channels], perm=[0, 2, 3, 1])
        y = self.op("Add", [y, self.floats([channels], 0.5)], [height, width, channels])
        if self.pick(0, 1):
            weight = self.floats([channels, 9], np.sqrt(3 / channels))
            y, channels = self.op("MatMul", [y, weight], [height, width, 9]), 9
        return self.op("Transpose", [y], [channels, height, width], perm=[0, 3, 1, 2])

    def pad(self, x):
        channels, height, width = self.shapes[x]
        pads = [int(self.random.integers(0, 3)) for _ in range(4)]
        name = self.ints(0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3])
        return self.op("Pad", [x, name], [channels, height + pads[0] + pads[2], width + pads[1] + pads[3]])

    def spread(self, x):
        """As MusiCNN begins."""
        _, height, width = self.shapes[x]
        parts = []
        for _ in range(self.pick(1, 2, 3)):
            kernel = [self.pick(4, 7, 9, 16, 32), self.pick(1, width // 2, width - 1)]
            filters = int(self.random.integers(1, 20))
            before = self.pick(kernel[0] // 2, (kernel[0] - 1) // 2)
            pads = [before, 0, kernel[0] - 1 - before, 0]
            weight = self.floats([filters, 1, *kernel], np.sqrt(3 / (kernel[0] * kernel[1])))
            shape = [filters, height, width - kernel[1] + 1]
            y = self.op("Conv", [x, weight, self.floats([filters], 0.3)], shape, kernel_shape=kernel, pads=pads)
            if self.pick(0, 1):
                y = self.norm(self.op("Relu", [y], shape))
            parts.append(self.op("ReduceMax", [y], [filters, height, 1], axes=[3], keepdims=1))
        shape = [sum(self.shapes[part][0] for part in parts), height, 1]
        return self.op("Concat", parts, shape, axis=1)

    def tail(self, x):
        channels, height, width = self.shapes[x]
        if channels * height * width > 3000 or self.pick(0, 1):
            x = self.op(self.pick("GlobalAveragePool", "GlobalMaxPool"), [x], [channels, 1, 1])
            height = width = 1
        count = channels * height * width
        if self.pick(0, 1):
            x = self.op("Transpose", [x], [height, width, channels], perm=[0, 2, 3, 1])
            x = self.op("Reshape", [x, self.ints(-1, count)], [count])
        else:
            x = self.op("Flatten", [x], [count], axis=1)
        outputs = [x]
        for _ in range(self.pick(0, 1, 2)):
            count, units = self.shapes[x][0], int(self.random.integers(2, 60))
            x = self.op("Gemm", [x, self.floats([count, units], np.sqrt(3 / count)), self.floats([units], 0.3)], [units])
            x = self.activation(x)
            outputs.append(x)
        outputs.append(self.op(self.pick("Softmax", "Sigmoid"), [x], self.shapes[x]))
        return outputs


def graph(seed):
    random = np.random.default_rng(seed)
    g = Graph(random)
    is_spread = seed % 5 == 0
    height, width = int(random.integers(32, 70) if is_spread else random.integers(5, 50)), int(random.integers(4, 28))
    g.shapes["x"] = [1, height, width] if is_spread else [g.pick(1, 1, 3, 16, 20), height, width]
    x = "x"
    if g.pick(0, 1):
        x = g.norm(x)
    if is_spread:
        x = g.activation(g.spread(x))
    layers = [g.conv, g.conv, g.conv, g.norm, g.activation, g.activation, g.pool, g.residual, g.gate, g.branches, g.around, g.pad]
    for _ in range(int(random.integers(1, 9))):
        layer = g.pick(*layers, lambda x: g.conv(x, depthwise=True))
        x = layer(x) or x
        if np.prod(g.shapes[x]) > 20000:
            break
    outputs = g.tail(x)
    info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
    made = helper.make_graph(
        g.nodes, "random", [info("x", g.shapes["x"])], [info(name, g.shapes[name]) for name in outputs], g.weights
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write(folder, name, model, rows, seed, most=1.0):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (put,) = session.get_inputs()
    low = 0.0 if most > 1 else -1.0
    values = np.random.default_rng(seed).uniform(low, most, [rows, *put.shape[1:]]).astype(np.float32)
    # Levels that differ from row to row, as recordings do.
    values *= np.linspace(0.5, 1, rows, dtype=np.float32).reshape([-1] + [1] * (values.ndim - 1))
    np.save(folder / f"{name}.input.npy", values.reshape(rows, -1))
    for index, output in enumerate(session.run(None, {put.name: values})):
        np.save(folder / f"{name}.{index}.npy", output.reshape(rows, -1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--graphs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_intermixed_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.graphs):
        model = graph(arguments.seed + number)
        (arguments.folder / f"graph_{number}.onnx").write_bytes(model)
        write(arguments.folder, f"graph_{number}", model, 1 + number % 4, number)
    for path in arguments.models:
        write(arguments.folder, path.stem, str(path), 5, 1, 4.0)


if __name__ == "__main__":
    main()
