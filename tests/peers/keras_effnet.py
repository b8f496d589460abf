"""Writes Keras' own EfficientNet-B0, with random weights, converted by tf2onnx.

    keras_effnet.py OUT.onnx [--seed N]

Patches of 128 x 96 with one channel, batch size fixed to 64; the outputs are the pooled features and a dense layer with
sigmoids. Needs requirements-keras.txt in a separate environment, because TensorFlow is large.
"""

import argparse

import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def frozen(seed):
    """The network as a function whose weights are constants."""
    tf.keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)

    patches = tf.keras.Input((128, 96), batch_size=64)
    x = tf.keras.layers.Reshape((128, 96, 1))(patches)
    # Keras divides by 255, as for images, but mel values are small.
    x = tf.keras.layers.Rescaling(200.0)(x)
    base = tf.keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(128, 96, 1), pooling="avg"
    )
    embeddings = base(x)
    predictions = tf.keras.layers.Dense(400, activation="sigmoid")(embeddings)
    model = tf.keras.Model(patches, [predictions, embeddings])
    for layer in base.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            scale, shift, mean, variance = layer.get_weights()
            n = len(scale)
            layer.set_weights(
                [
                    random.uniform(0.9, 1.6, n),
                    random.normal(0.0, 0.2, n),
                    random.normal(0.0, 0.05, n),
                    random.uniform(0.7, 1.4, n),
                ]
            )

    signature = [tf.TensorSpec((64, 128, 96), tf.float32, name="serving_default_melspectrogram")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    # Otherwise constants that Keras captures would become inputs of the graph.
    return convert_variables_to_constants_v2(function.get_concrete_function())


def write_onnx(function, path):
    """Converts a frozen function with tf2onnx and writes it."""
    tf2onnx.convert.from_graph_def(
        function.graph.as_graph_def(),
        input_names=[tensor.name for tensor in function.inputs],
        output_names=[tensor.name for tensor in function.outputs],
        opset=13,
        output_path=path,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_onnx(frozen(args.seed), args.out)


if __name__ == "__main__":
    main()
