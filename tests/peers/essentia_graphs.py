"""Writes networks with random weights twice, as a frozen TensorFlow graph for Essentia and as ONNX for us.

    essentia_graphs.py FOLDER

`effnet.{pb,onnx,json}` is Keras' EfficientNet-B0 for patches of 128 x 96 (batches of 64, as in MTG's models),
`musicnn.*` MusiCNN for patches of 187 x 96, `head.*` a head for EfficientNet's 1280 values. Needs
requirements-keras.txt.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import keras_effnet

FRAMES, BANDS = 187, 96
# As in the paper: filters, frames, bands.
FRONT_END = [(204, 7, 38), (204, 7, 67), (51, 128, 1), (51, 64, 1), (51, 32, 1)]


def musicnn(random):
    """MusiCNN, with affine maps as batch norms."""

    def weights(*shape):
        return tf.constant(random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape), tf.float32)

    def affine(x):
        n = x.shape[-1]
        scale, shift = random.uniform(0.5, 1.5, n), random.normal(0, 0.1, n)
        return x * tf.constant(scale, tf.float32) + tf.constant(shift, tf.float32)

    def convolved(x, kernel, padding):
        return affine(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, padding)))

    front_end = [weights(frames, bands, 1, filters) for filters, frames, bands in FRONT_END]
    middle = [weights(7, 1, sum(f for f, _, _ in FRONT_END), 64), weights(7, 1, 64, 64), weights(7, 1, 64, 64)]
    features = sum(f for f, _, _ in FRONT_END) + 3 * 64
    dense, tags = weights(2 * features, 200), weights(200, 50)

    def network(patches):
        x = patches[..., tf.newaxis] * 0.3
        pooled = []
        for kernel in front_end:
            before = (kernel.shape[0] - 1) // 2
            padded = tf.pad(x, [[0, 0], [before, kernel.shape[0] - 1 - before], [0, 0], [0, 0]])
            pooled.append(tf.reduce_max(convolved(padded, kernel, "VALID"), axis=2, keepdims=True))
        x = tf.concat(pooled, axis=3)
        levels = [x]
        for kernel in middle:
            y = convolved(x, kernel, "SAME")
            x = y if x.shape[-1] != y.shape[-1] else x + y
            levels.append(x)
        x = tf.concat(levels, axis=3)[:, :, 0]
        x = tf.concat([tf.reduce_max(x, axis=1), tf.reduce_mean(x, axis=1)], axis=1)
        embeddings = affine(tf.nn.relu(tf.matmul(x, dense)))
        return tf.sigmoid(0.3 * tf.matmul(embeddings, tags)), embeddings

    return network


def head(random):
    weights = tf.constant(random.normal(0, 0.1, (1280, 7)), tf.float32)
    return lambda embeddings: (tf.nn.softmax(tf.matmul(embeddings, weights)),)


def frozen(network, shape):
    signature = [tf.TensorSpec(shape, tf.float32)]
    return convert_variables_to_constants_v2(tf.function(network, input_signature=signature).get_concrete_function())


def write(folder, name, function, algorithm, purposes):
    graph = function.graph.as_graph_def()
    # Essentia's TensorFlow (2.5) does not need this and may refuse it.
    graph.ClearField("library")
    graph.versions.producer = 716
    for node in graph.node:
        for attribute in [name for name in node.attr if name.startswith("_")]:
            del node.attr[attribute]
    path = folder / name
    path.with_suffix(".pb").write_bytes(graph.SerializeToString())
    keras_effnet.write_onnx(function, str(path.with_suffix(".onnx")))
    outputs = [
        {"name": tensor.name, "type": "float", "shape": tensor.shape.as_list(), "output_purpose": purpose}
        for tensor, purpose in zip(function.outputs, purposes)
    ]
    inputs = [{"name": tensor.name, "type": "float", "shape": tensor.shape.as_list()} for tensor in function.inputs]
    about = {"name": name, "schema": {"inputs": inputs, "outputs": outputs}}
    about["inference"] = {"sample_rate": 16000, "algorithm": algorithm}
    path.with_suffix(".json").write_text(json.dumps(about, indent=2))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    both = ["predictions", "embeddings"]
    write(folder, "effnet", keras_effnet.frozen(1), "TensorflowPredictEffnetDiscogs", both)
    random = np.random.default_rng(2)
    # Essentia adds an axis of one channel between batch and frames, and drops it for three dimensions.
    write(folder, "musicnn", frozen(musicnn(random), (None, FRAMES, BANDS)), "TensorflowPredictMusiCNN", both)
    write(folder, "head", frozen(head(random), (None, 1280)), "TensorflowPredict2D", ["predictions"])


if __name__ == "__main__":
    main()
