"""MAEST: a transformer on mel-spectrograms, in the operators that PyTorch's exporter writes."""

import numpy as np

from . import sounds
from .graph import Graph

# Of the mel values that the network was trained on.
MEAN, DEVIATION = 2.06755686098554, 1.268292820667291


def maest(name, seed, frames, classes, width=768, heads=12):
    """[b, frames, 96]; logits, the tokens [b, tokens, width] after each of the 12 blocks, activations."""
    g = Graph(name, seed)
    mel = sounds.patches("musicnn", frames, 3)
    x = g.input("melspectrogram", (mel - np.float32(MEAN)) / np.float32(2 * DEVIATION))
    x = g.op("Transpose", g.op("Unsqueeze", x, g.ints(1)), perm=[0, 1, 3, 2])
    kernel = g.random.standard_normal((width, 1, 16, 16)) / 16
    bias = g.random.normal(0, 0.3, width)
    x = g.op("Conv", x, g.const(kernel), g.const(bias), kernel_shape=[16, 16], strides=[10, 10])
    places = g.values[x].shape[2:]
    # Places in time and in frequency.
    x = g.op("Add", x, g.const(g.random.normal(0, 0.3, (1, width, 1, places[1]))))
    x = g.op("Add", x, g.const(g.random.normal(0, 0.3, (1, width, places[0], 1))))
    x = g.op("Transpose", g.op("Reshape", x, g.ints(0, width, -1)), perm=[0, 2, 1])
    # The tokens CLS and DIST, for as many patches as there are.
    batch = g.op("Gather", g.op("Shape", x), g.const(np.int64(0)), axis=0)
    shape = g.op("Concat", g.op("Unsqueeze", batch, g.ints(0)), g.ints(-1, -1), axis=0)
    shape = g.op("Where", g.op("Equal", shape, g.ints(-1, -1, -1)), g.ints(1, 1, 1), shape)
    tokens = [g.op("Expand", g.const(g.random.normal(0, 1, (1, 1, width))), shape) for _ in range(2)]
    x = g.op("Concat", *tokens, x, axis=1)
    count = g.values[x].shape[1]
    layers = []
    for _ in range(12):
        x = g.op("Add", x, attention(g, layer_norm(g, x), count, width, heads))
        x = g.op("Add", x, perceptron(g, layer_norm(g, x), width))
        layers.append(x)
    last = layer_norm(g, x)
    two = [g.op("Gather", last, g.const(np.int64(token)), axis=1) for token in range(2)]
    mean = g.op("Div", g.op("Add", *two), g.const(np.float32(2)))
    logits = g.dense(layer_norm(g, mean), classes, gain=1.5)
    g.output(logits, "PartitionedCall/Identity")
    for index, layer in enumerate(layers):
        g.output(layer, f"PartitionedCall/Identity_{index + 1}")
    g.output(g.op("Sigmoid", logits), "PartitionedCall/Identity_13")
    return g


def layer_norm(g, x):
    width = g.values[x].shape[-1]
    centred = g.op("Sub", x, g.op("ReduceMean", x, axes=[-1], keepdims=1))
    variance = g.op("ReduceMean", g.op("Pow", centred, g.const(np.float32(2))), axes=[-1], keepdims=1)
    deviation = g.op("Sqrt", g.op("Add", variance, g.const(np.float32(1e-6))))
    scale, shift = g.random.uniform(0.7, 1.3, width), g.random.normal(0, 0.2, width)
    return g.affine(g.op("Div", centred, deviation), scale, shift)


def linear(g, x, outputs, spread=1.0):
    width = g.values[x].shape[-1]
    weight = g.random.standard_normal((width, outputs), np.float32) * np.float32(spread / np.sqrt(width))
    return g.op("Add", g.op("MatMul", x, g.const(weight)), g.const(g.random.normal(0, 0.1, outputs)))


def attention(g, x, count, width, heads):
    size = width // heads
    x = g.op("Reshape", linear(g, x, 3 * width, 1.2), g.ints(-1, count, 3, heads, size))
    x = g.op("Transpose", x, perm=[2, 0, 3, 1, 4])
    query, key, value = (g.op("Gather", x, g.const(np.int64(index)), axis=0) for index in range(3))
    x = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 1, 3, 2]))
    x = g.op("Softmax", g.op("Mul", x, g.const(np.float32(size**-0.5))), axis=-1)
    x = g.op("Transpose", g.op("MatMul", x, value), perm=[0, 2, 1, 3])
    return linear(g, g.op("Reshape", x, g.ints(-1, count, width)), width)


def perceptron(g, x, width):
    x = linear(g, x, 4 * width)
    half = g.op("Add", g.op("Erf", g.op("Div", x, g.const(np.float32(np.sqrt(2))))), g.const(np.float32(1)))
    x = g.op("Mul", g.op("Mul", x, half), g.const(np.float32(0.5)))
    return linear(g, x, width, 0.7)
