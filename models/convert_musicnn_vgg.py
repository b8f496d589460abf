#!/usr/bin/env python3
"""Converts the VGG networks of the PyPI package `musicnn` to ONNX, and proves the result.

    python3 -m venv target/convert
    target/convert/bin/pip install -r models/requirements.txt
    target/convert/bin/python models/convert_musicnn_vgg.py

The package's baselines beside MusiCNN (see `convert_musicnn.py`, whose parts this uses): five convolutions of 3x3, each
followed by ReLU, batch norm and a maximum, and one dense layer. Writes `msd-vgg-1.{onnx,json}` and
`mtt-vgg-1.{onnx,json}` beside itself, and the outputs of the package's own TensorFlow graphs on the same patches as for
MusiCNN (`tests/data/musicnn/`). It fails, and writes nothing, if the converted graph strays from TensorFlow's by more
than the tolerances of `convert_musicnn.py`.

Layer by layer this is the TensorFlow graph, except that a patch keeps its channels first until it is flattened. Weights
are stored in half precision, those of the first layer in single, and widened by Cast nodes, so that all arithmetic is in
float32.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from convert_musicnn import (
    BANDS,
    DATASETS,
    EMBEDDINGS_TOLERANCE,
    FRAMES,
    HERE,
    REPOSITORY,
    TAGS_TOLERANCE,
    Checkpoint,
    Graph,
    as_model,
    deviation,
    fetch_wheel,
    metadata,
    patches_of_recordings,
    run_onnx,
    write,
)

TENSORFLOW_OUTPUTS = ["model/Sigmoid", "model/Flatten/flatten/Reshape"]
OUTPUTS = [
    ("predictions", 50, "Sigmoid", "predictions", "activations of the tags, each between 0 and 1"),
    ("embeddings", 256, "Flatten", "embeddings", "the package's feature `pool5`: the last maxima, [2 frames, 1 band, 128 filters] in a row"),
]
# Frames and bands of each maximum, and its strides, as in the graphs that are stored with the weights. The package's own
# code builds the MTT network alone; the MSD network was trained with other maxima in its first two layers.
REST = [((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4))]
ABOUT = {
    "MSD_vgg": {
        "like": "MSD_musicnn",
        "stem": "msd-vgg-1",
        "name": "MSD VGG",
        "metrics": {"ROC-AUC": 0.8768, "PR-AUC": 0.2819},
        "pools": [((4, 1), (4, 1)), ((1, 4), (1, 4)), *REST],
    },
    "MTT_vgg": {
        "like": "MTT_musicnn",
        "stem": "mtt-vgg-1",
        "name": "MTT VGG",
        "metrics": {"ROC-AUC": 0.9030, "PR-AUC": 0.3823},
        "pools": [((4, 1), (2, 2)), ((2, 2), (2, 2)), *REST],
    },
}


def build(network, pools):
    """The ONNX graph of one network."""
    graph = Graph()
    scale, shift = (float(x[0]) for x in network.batch_norm(0))
    x = graph.affine("melspectrogram", scale, shift, "normalised", (1,))
    x = graph.node("Unsqueeze", [x, graph.value("channel_axis", np.array([1], np.int64))], "image")
    for index, (kernel_shape, strides) in enumerate(pools, start=1):
        kernel, bias = network[f"{index}CNN/kernel"], network[f"{index}CNN/bias"]
        name = f"layer_{index}"
        # Batch norm multiplies the first layer by up to 82; rounded to half precision, it alone would move tags by 2.6e-3.
        is_half = index > 1
        weight = graph.value(f"{name}.weight", kernel.transpose(3, 2, 0, 1).astype(np.float32), half=is_half)
        inputs = [x, weight, graph.value(f"{name}.bias", bias.astype(np.float32))]
        x = graph.node("Conv", inputs, f"{name}.convolved", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        x = graph.node("Relu", [x], f"{name}.rectified")
        x = graph.affine(x, *network.batch_norm(index), f"{name}.normalised", (1, -1, 1, 1))
        x = graph.node("MaxPool", [x], name, kernel_shape=list(kernel_shape), strides=list(strides))
    x = graph.node("Transpose", [x], "channels_last", perm=[0, 2, 3, 1])
    embeddings = graph.node("Flatten", [x], "embeddings", axis=1)
    kernel, bias = network.layer("dense", 0)
    logits = graph.node("Gemm", [embeddings, graph.value("tags.weight", kernel, half=True), graph.value("tags.bias", bias.astype(np.float32))], "logits")
    graph.node("Sigmoid", [logits], "predictions")
    return graph


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE, help="where the models go (default: beside this script)")
    parser.add_argument("--downloads", type=Path, default=REPOSITORY / "target/convert", help="where the wheel is kept")
    arguments = parser.parse_args()

    golden = REPOSITORY / "tests/data/musicnn"
    patches = patches_of_recordings()
    single = patches.astype(np.float32)
    # Loud, dense input that no recording would give, to see that nothing depends on the input being tame.
    random = np.random.default_rng(1).uniform(0, 6, (3, FRAMES, BANDS)).astype(np.float32)
    wheel = fetch_wheel(arguments.downloads)
    written = {}
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        for name, about in ABOUT.items():
            about = DATASETS[about["like"]] | about
            network = Checkpoint(Path(folder) / "musicnn", name)
            model = as_model(build(network, about["pools"]), about, OUTPUTS, "The VGG of musicnn", Path(__file__).name)
            expected = network.run_tensorflow(single, TENSORFLOW_OUTPUTS)
            found = deviation(run_onnx(model, single, OUTPUTS), expected)
            loud = deviation(run_onnx(model, random, OUTPUTS), network.run_tensorflow(random, TENSORFLOW_OUTPUTS))
            print(about["stem"])
            for what, (tags, embeddings) in (("recordings", found), ("loud noise", loud)):
                print(f"  against TensorFlow, {what}: tags {tags:.2e}, embeddings {embeddings:.2e}")
                assert tags < TAGS_TOLERANCE and embeddings < EMBEDDINGS_TOLERANCE, "too far from TensorFlow"
            text = json.dumps(metadata(about, network.labels, OUTPUTS), indent=4, ensure_ascii=False) + "\n"
            written[arguments.output / f"{about['stem']}.onnx"] = model.SerializeToString()
            written[arguments.output / f"{about['stem']}.json"] = text.encode()
            if arguments.output == HERE:
                for (output, *_), values in zip(OUTPUTS, expected):
                    written[golden / f"{about['stem']}.{output}.npy"] = values
                assert (np.load(golden / "patches.npy") == patches).all(), "the patches differ from those of MusiCNN"
    write(written)


if __name__ == "__main__":
    main()
