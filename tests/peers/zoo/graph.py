"""An ONNX graph under construction, whose values for a few inputs are known at every node.

Random weights alone give networks whose outputs hardly depend on their input, or are all 0 or 1. Here each layer's
scales and shifts are chosen by what the layer gives for the inputs, as training would: every channel spreads around
its own level.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
# Values that differ by less than this times their size are not spread further: that would amplify rounding, layer by
# layer, until runtimes that add in another order differ visibly. Trained networks amplify it less than random ones.
LEAST_SPREAD = 0.8
LEAST_SPREAD_OF_MAPS = 1.5


def run(model, feed):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


class Graph:
    """Nodes and initialisers of an NCHW graph, and each tensor's value for the inputs."""

    def __init__(self, name, seed):
        self.label = name
        self.random = np.random.default_rng([seed, *name.encode()])
        self.nodes, self.initialisers, self.inputs, self.outputs = [], [], [], []
        self.values, self.count = {}, 0

    def input(self, name, value, batch="batch_size"):
        """The input, with what it is for the inputs that weights are chosen by; the first axis is the batch."""
        self.inputs.append((name, [batch, *value.shape[1:]]))
        self.batch = batch
        self.values[name] = value.astype(np.float32)
        return name

    def output(self, tensor, name):
        """Gives a tensor out under a name."""
        self.outputs.append((self.op("Identity", tensor, out=name), list(self.values[tensor].shape[1:])))

    def fresh(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def const(self, array, stem="const"):
        array = np.asarray(array, order="C")
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = self.fresh(stem)
        self.initialisers.append(numpy_helper.from_array(array, name))
        self.values[name] = array
        return name

    def ints(self, *values):
        return self.const(np.array(values, np.int64), "ints")

    def op(self, kind, *inputs, out=None, **attributes):
        """One node, computed at once."""
        out = out or self.fresh(kind)
        node = helper.make_node(kind, list(inputs), [out], name=f"{out}_node", **attributes)
        self.values[out] = self.evaluate(node)
        self.nodes.append(node)
        return out

    def evaluate(self, node):
        names = list(dict.fromkeys(name for name in node.input if name))
        typed = lambda name, shape: helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(self.values[name].dtype), shape
        )
        graph = helper.make_graph(
            [node],
            "one",
            [typed(name, self.values[name].shape) for name in names],
            [onnx.ValueInfoProto(name=node.output[0])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return run(model, {name: self.values[name] for name in names})[0]

    # -- layers --

    def scales(self, z, axes, gain=None, least=LEAST_SPREAD_OF_MAPS):
        """Per channel, factor and offset that give `z` a random level and a spread near `gain`."""
        z = z.astype(np.float64)
        mean, spread = z.mean(axes), z.std(axes)
        spread = np.maximum(spread, least * np.sqrt((z**2).mean()) + 1e-12)
        count = len(mean)
        gain = self.random.uniform(0.7, 1.4, count) if gain is None else np.full(count, gain)
        level = self.random.normal(0, 0.3, count)
        return gain, level, mean, spread

    def conv(self, x, filters, kernel, strides=1, same=True, groups=1, norm=None, relu=True, epsilon=1e-3):
        """A convolution over two axes. `norm`: batch norm none ("the convolution has a bias"), "before" or "after"
        the rectifier, or "folded" into the convolution. `same`: TensorFlow's padding, the odd value at the end."""
        kernel = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
        strides = [strides] * 2 if isinstance(strides, int) else list(strides)
        size, channels = self.values[x].shape[2:], self.values[x].shape[1]
        pads = padding(size, kernel, strides) if same else [0] * 4
        fan_in = channels // groups * kernel[0] * kernel[1]
        weight = self.random.standard_normal((filters, channels // groups, *kernel)) / np.sqrt(fan_in)
        attributes = dict(kernel_shape=kernel, strides=strides, pads=pads, group=groups)
        probe = helper.make_node("Conv", [x, "probe"], ["probed"], **attributes)
        self.values["probe"] = weight.astype(np.float32)
        gain, level, mean, spread = self.scales(self.evaluate(probe), (0, 2, 3))
        if norm == "before":
            y = self.op("Conv", x, self.const(weight, "kernel"), **attributes)
            y = self.batch_norm(y, gain, level, mean, spread, epsilon)
            return self.op("Relu", y) if relu else y
        factor = gain / spread
        weight = weight * factor[:, None, None, None]
        y = self.op("Conv", x, self.const(weight, "kernel"), self.const(level - mean * factor, "bias"), **attributes)
        y = self.op("Relu", y) if relu else y
        return self.measured_norm(y, epsilon) if norm == "after" else y

    def batch_norm(self, x, gain, level, mean, spread, epsilon):
        parts = [
            self.const(part, stem)
            for part, stem in ((gain, "gamma"), (level, "beta"), (mean, "mean"), (spread**2, "variance"))
        ]
        return self.op("BatchNormalization", x, *parts, epsilon=epsilon)

    def measured_norm(self, x, epsilon=1e-3):
        """Batch norm with the statistics of `x`."""
        value = self.values[x]
        return self.batch_norm(x, *self.scales(value, tuple(axis for axis in range(value.ndim) if axis != 1)), epsilon)

    def dense(self, x, units, relu=False, gain=None, out=None):
        """A dense layer on the last axis, as MatMul and Add; its units spread between the inputs."""
        value = self.values[x]
        weight = self.random.standard_normal((value.shape[-1], units)) / np.sqrt(value.shape[-1])
        z = value.reshape(-1, value.shape[-1]).astype(np.float64) @ weight
        gain, level, mean, spread = self.scales(z, (0,), gain, LEAST_SPREAD)
        factor = gain / spread
        y = self.op("MatMul", x, self.const(weight * factor, "weight"))
        y = self.op("Add", y, self.const(level - mean * factor, "bias"), out=out)
        return self.op("Relu", y) if relu else y

    def affine(self, x, scale, shift):
        return self.op(
            "Add",
            self.op("Mul", x, self.const(np.asarray(scale, np.float32))),
            self.const(np.asarray(shift, np.float32)),
        )

    def pool(self, x, kernel=2, strides=None, same=False):
        kernel = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
        strides = kernel if strides is None else [strides] * 2
        pads = padding(self.values[x].shape[2:], kernel, strides) if same else [0] * 4
        return self.op("MaxPool", x, kernel_shape=kernel, strides=strides, pads=pads)

    def to_nchw(self, x):
        """From TensorFlow's [n, height, width, channels], or [n, height, width]."""
        if self.values[x].ndim == 3:
            x = self.op("Unsqueeze", x, self.ints(3))
        return self.op("Transpose", x, perm=[0, 3, 1, 2])

    def flatten(self, x):
        """As TensorFlow flattens: channels last."""
        x = self.op("Transpose", x, perm=[0, 2, 3, 1])
        return self.op("Reshape", x, self.ints(-1, int(np.prod(self.values[x].shape[1:]))))

    # -- the whole --

    def model(self):
        info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(
            self.nodes,
            self.label,
            [info(name, shape) for name, shape in self.inputs],
            [info(name, [self.batch, *shape]) for name, shape in self.outputs],
            self.initialisers,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def feed(self):
        """The inputs that the weights were chosen by."""
        return self.values[self.inputs[0][0]]

    def distinct(self):
        """How many of these, from the first on, are different."""
        return len(self.feed())


def rename(model, names):
    """Gives inputs and outputs other names, wherever they are used; `names` is a dictionary."""
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for info in [*model.graph.input, *model.graph.output]:
        info.name = names.get(info.name, info.name)


def padding(size, kernel, strides):
    """TensorFlow's "same" padding: as little as gives every stride an output, the odd value at the end."""
    total = [max(0, (-(-s // t) - 1) * t + k - s) for s, k, t in zip(size, kernel, strides)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]
