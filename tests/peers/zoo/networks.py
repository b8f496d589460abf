"""The convolutional networks. Each function returns a graph whose outputs have TensorFlow's names."""

import numpy as np

from . import sounds
from .graph import Graph, padding

PATCHES = 5


def softmax(g, x):
    return g.op("Softmax", x, axis=-1)


def musicnn(name, seed, dense=200, classes=50):
    """MusiCNN: [n, 187, 96]; tags, their logits, and the dense layer of 200 before its rectifier."""
    g = Graph(name, seed)
    x = g.input("model/Placeholder", sounds.patches("musicnn", 187, PATCHES))
    x = g.measured_norm(g.to_nchw(x))
    # The timbral filters see three frames beyond each end, and never beyond the bands.
    padded = g.op("Pad", x, g.ints(0, 0, 3, 0, 0, 0, 3, 0), mode="constant")
    parts = []
    for source, frames, bands, filters in [
        (padded, 7, 38, 204),
        (padded, 7, 67, 204),
        (x, 128, 1, 51),
        (x, 64, 1, 51),
        (x, 32, 1, 51),
    ]:
        y = g.conv(source, filters, (frames, bands), same=bands == 1, norm="after")
        parts.append(g.pool(y, (1, g.values[y].shape[3])))
    features = [g.op("Concat", *parts, axis=1)]
    x = None
    for middle in range(3):
        y = g.conv(features[-1], 64, (7, 1), norm="after")
        features.append(y if x is None else g.op("Add", x, y))
        x = features[-1]
    x = g.op("Squeeze", g.op("Concat", *features, axis=1), g.ints(3))
    channels = g.values[x].shape[1]
    pooled = [g.op("Unsqueeze", g.op(kind, x, axes=[2], keepdims=0), g.ints(2)) for kind in ("ReduceMax", "ReduceMean")]
    x = g.op("Reshape", g.op("Concat", *pooled, axis=2), g.ints(-1, 2 * channels))
    x = g.measured_norm(x)
    x = g.dense(x, dense)
    g.output(x, "model/dense/BiasAdd")
    x = g.measured_norm(g.op("Relu", x))
    x = g.dense(x, classes, gain=1.5)
    g.output(x, "model/dense_1/BiasAdd")
    g.output(g.op("Sigmoid", x), "model/Sigmoid")
    # In the order of the metadata.
    g.outputs.reverse()
    return g


def vggish(name, seed, width=64, dense=4096):
    """VGGish: [n, 96, 64]; 128 values."""
    g = Graph(name, seed)
    x = g.to_nchw(g.input("model/Placeholder", sounds.patches("vggish", 96, PATCHES)))
    for filters, count in [(1, 1), (2, 1), (4, 2), (8, 2)]:
        for _ in range(count):
            x = g.conv(x, filters * width, 3)
        x = g.pool(x)
    x = g.flatten(x)
    x = g.dense(g.dense(x, dense, relu=True), dense, relu=True)
    g.output(g.dense(x, 128), "model/vggish/embeddings")
    return g


def yamnet(name, seed, width=32):
    """YAMNet: [n, 96, 64]; 521 activations, and the mean of 1024 feature maps. Batch norm has no scale."""
    g = Graph(name, seed)
    x = g.to_nchw(g.input("melspectrogram", sounds.patches("vggish", 96, PATCHES)))
    x = g.conv(x, width, 3, 2, norm="before", epsilon=1e-4)
    for filters, strides in [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2)] + 5 * [(16, 1)] + [(32, 2), (32, 1)]:
        x = g.conv(x, g.values[x].shape[1], 3, strides, groups=g.values[x].shape[1], norm="before", epsilon=1e-4)
        x = g.conv(x, filters * width, 1, norm="before", epsilon=1e-4)
    x = g.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    g.output(g.op("Sigmoid", g.dense(x, 521, gain=1.5)), "activations")
    g.output(x, "embeddings")
    return g


def openl3(name, seed, mel, dims, width=64):
    """OpenL3: [n, mel, 199, 1], bands by time; 512 or 6144 values."""
    g = Graph(name, seed)
    image = sounds.patches(f"openl3-{mel}", 199, 4).transpose(0, 2, 1)[..., None]
    x = g.measured_norm(g.to_nchw(g.input("melspectrogram", image)))
    for filters in (1, 2, 4):
        x = g.conv(x, filters * width, 3, norm="before")
        x = g.conv(x, filters * width, 3, norm="before")
        x = g.pool(x)
    x = g.conv(x, 8 * width, 3, norm="before")
    x = g.conv(x, 8 * width, 3, relu=False)
    kernel = {(128, 512): (16, 24), (128, 6144): (4, 8), (256, 512): (32, 24), (256, 6144): (8, 8)}[mel, dims]
    pads = padding(g.values[x].shape[2:], kernel, kernel)
    x = g.op("MaxPool", x, kernel_shape=list(kernel), strides=list(kernel), pads=pads)
    g.output(g.flatten(x), "embeddings")
    return g


def tempocnn(name, seed, square, k):
    """TempoCNN: [n, 40, 256, 1], bands by time; softmax over 256 tempi. `square` filters, or filters over time alone."""
    g = Graph(name, seed)
    image = sounds.patches("tempocnn", 256, 8).transpose(0, 2, 1)[..., None]
    x = g.to_nchw(g.input("input", image))
    for block, filters in enumerate([k, 2 * k, 4 * k, 4 * k, 8 * k, 8 * k]):
        for size in (5, 3):
            x = g.conv(x, filters, (size if square else 1, size), norm="after")
        x = g.pool(x, (2, 2) if block < 5 else (1, 2))
    x = g.conv(x, 256, 1)
    x = g.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    # As training would, so that the tempo depends on the patch.
    value = g.values[x].astype(np.float64)
    scale = 0.5 / np.maximum(value.std(0), 0.2 * value.mean())
    g.output(softmax(g, g.affine(x, scale, -value.mean(0) * scale)), "output")
    return g


def crepe(name, seed, c):
    """CREPE: [n, 1024] samples; 360 activations."""
    g = Graph(name, seed)
    x = g.input("frames", sounds.waves(8))
    x = g.op("Transpose", g.op("Reshape", x, g.ints(-1, 1024, 1, 1)), perm=[0, 3, 1, 2])
    for layer, filters in enumerate([32, 4, 4, 4, 8, 16]):
        kernel, stride = (512, 4) if layer == 0 else (64, 1)
        x = g.conv(x, filters * c, (kernel, 1), (stride, 1), norm="after")
        x = g.pool(x, (2, 1))
    g.output(g.op("Sigmoid", g.dense(g.flatten(x), 360, gain=1.5)), "model/classifier/Sigmoid")
    return g


def sinet(name, seed, k, pooling, width=32):
    """FSD-SINet: [n, 101, 96, 1]; 200 activations, 256 or 512 values."""
    g = Graph(name, seed)
    x = g.to_nchw(g.input("x", sounds.patches("sinet", 101, PATCHES)[..., None]))
    x = g.conv(x, width * k, 3, norm="before")
    for block, filters in enumerate([48, 64, 128, 256]):
        if block:
            x = (
                low_pass(g, x)
                if pooling == "tlpf"
                else adaptive(g, x) if pooling == "aps" else adaptive(g, low_pass(g, x, 1))
            )
        for _ in range(2):
            x = g.conv(x, filters * width // 32 * k, 3, norm="before")
    x = g.op("ReduceMax", g.op("ReduceMean", x, axes=[3], keepdims=0), axes=[2], keepdims=0)
    g.output(g.op("Sigmoid", g.dense(x, 200, gain=1.5)), "model/predictions/Sigmoid")
    g.output(x, "model/global_max_pooling1d/Max")
    return g


def low_pass(g, x, strides=2):
    """Trainable low-pass filter: the maximum of 2x2 at every place, a filter whose weights sum to 1, every second."""
    x = g.pool(x, 2, 1, same=True)
    channels = g.values[x].shape[1]
    weights = np.exp(g.random.normal(0, 1, (channels, 25)))
    weights = (weights / weights.sum(1, keepdims=True)).reshape(channels, 1, 5, 5)
    pads = padding(g.values[x].shape[2:], (5, 5), (strides, strides))
    return g.op(
        "Conv",
        x,
        g.const(weights, "filter"),
        kernel_shape=[5, 5],
        strides=[strides, strides],
        pads=pads,
        group=channels,
    )


def adaptive(g, x):
    """Adaptive polyphase sampling: of the four grids of every second value, the one with the largest sum."""
    x = g.pool(x, 2, 1, same=True)
    row = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    channels = g.values[x].shape[1]
    blur = g.const(np.tile(row, (channels, 1, 1, 1)), "blur")
    x = g.op("Conv", x, blur, kernel_shape=[5, 5], pads=[2] * 4, group=channels)
    height, width = g.values[x].shape[2:]
    if height % 2 or width % 2:
        x = g.op("Pad", x, g.ints(0, 0, 0, 0, 0, 0, height % 2, width % 2), mode="reflect")
    height, width = g.values[x].shape[2:]
    grids = []
    for i, j in [(0, 0), (1, 0), (0, 1), (1, 1)]:
        grid = g.op("Slice", x, g.ints(i, j), g.ints(height, width), g.ints(2, 3), g.ints(2, 2))
        grids.append(g.op("Unsqueeze", grid, g.ints(1)))
    grids = g.op("Concat", *grids, axis=1)
    sums = g.op("ReduceSum", g.op("Abs", grids), g.ints(2, 3, 4), keepdims=0)
    chosen = g.op("Unsqueeze", g.op("ArgMax", sums, axis=1, keepdims=0), g.ints(1))
    return g.op("GatherND", grids, chosen, batch_dims=1)
