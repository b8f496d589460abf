"""Classifiers and regressions on another network's embeddings."""

import numpy as np

from .graph import Graph
from .maest import layer_norm

# Of the embeddings of this zoo's networks: level of each value, its deviation over values, and between patches.
EMBEDDINGS = {
    "msd-musicnn": (200, 0.0, 0.3, 1.0),
    "audioset-vggish": (128, 0.0, 0.3, 1.0),
    "audioset-yamnet": (1024, 0.5, 0.25, 0.15),
    "discogs-effnet": (1280, 0.3, 0.3, 0.2),
    "openl3-music-mel128-emb512": (512, 2.5, 0.7, 0.5),
}


def statistics(embedder):
    return EMBEDDINGS["discogs-effnet" if embedder.endswith("-effnet") else embedder]


def embeddings(g, embedder, count=16):
    width, level, between_values, between_patches = statistics(embedder)
    random = np.random.default_rng([*embedder.encode()])
    mean = random.normal(level, between_values, width)
    return (mean + random.normal(0, between_patches, (count, width))).astype(np.float32)


def head(name, seed, embedder, names, classes, kind, hidden):
    """Two dense layers with a rectifier between. `kind`: Softmax, Sigmoid, Identity."""
    g = Graph(name, seed)
    x = g.input(names[0], embeddings(g, embedder), "n")
    if names[0] == "flatten_in_input":
        x = g.op("Reshape", x, g.ints(-1, g.values[x].shape[1]))
    x = g.dense(g.dense(x, hidden, relu=True), classes, gain=1.2)
    if kind == "Identity" and classes == 2:
        # Valence and arousal, from 1 to 9.
        x = g.affine(x, [1.0, 1.0], [5.0, 5.0])
    elif kind == "Identity":
        x = g.affine(x, [0.15], [0.5])
    x = g.op("Softmax", x, axis=-1) if kind == "Softmax" else g.op(kind, x)
    g.output(x, names[1])
    return g


def maest_head(name, seed, tokens, width, classes):
    """Takes all tokens of MAEST's last layer; gives logits and activations."""
    g = Graph(name, seed)
    x = g.input("embeddings", g.random.normal(0, 2, (4, tokens, width)).astype(np.float32))
    two = [g.op("Gather", layer_norm(g, x), g.const(np.int64(token)), axis=1) for token in range(2)]
    mean = g.op("Div", g.op("Add", *two), g.const(np.float32(2)))
    logits = g.dense(layer_norm(g, mean), classes, gain=1.5)
    g.output(logits, "PartitionedCall/Identity")
    g.output(g.op("Sigmoid", logits), "PartitionedCall/Identity_1")
    return g
