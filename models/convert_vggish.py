#!/usr/bin/env python3
"""Converts VGGish's published weights to the ONNX file that `sleeve-train ... --encoder vggish=FILE.onnx` opens.

    python3 -m venv target/convert
    target/convert/bin/pip install -r models/requirements.txt
    target/convert/bin/python models/convert_vggish.py vggish_model.ckpt vggish.onnx

The weights are in no package registry, so whoever wants them brings the file. VGGish's authors have published a
TensorFlow checkpoint, `vggish_model.ckpt`, beside their code in TensorFlow's repository of research models (folder
`research/audioset/vggish`, whose README says where it is), under the Apache licence 2.0. Three kinds of file are read:
  - that checkpoint (needs TensorFlow);
  - the state of PyPI's `torchvggish`, a `.pth` file (needs PyTorch; its weights are opened as tensors alone, no code);
  - `.npz`, with torchvggish's names (`features.0.weight`, ..., `embeddings.4.bias`).

The graph takes `melspectrogram` [n, 96, 64] (96 frames of 10 ms, 64 log-mel bands) and gives `embeddings` [n, 128]: the
last layer before its rectifier, as the authors' own definition gives it out. Without PCA and quantisation, which were
made for a published data set. Weights stay in single precision: 288 MB. `--half` stores them in half precision.

Widths are read from the weights, so that tests can use a small network of the same architecture.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FRAMES, BANDS = 96, 64
# torchvggish's names, and the TensorFlow checkpoint's; a pool follows the layers in POOLED.
CONVOLUTIONS = [
    ("features.0", "conv1"),
    ("features.3", "conv2"),
    ("features.6", "conv3/conv3_1"),
    ("features.8", "conv3/conv3_2"),
    ("features.11", "conv4/conv4_1"),
    ("features.13", "conv4/conv4_2"),
]
POOLED = {"features.0", "features.3", "features.8", "features.13"}
DENSE = [("embeddings.0", "fc1/fc1_1"), ("embeddings.2", "fc1/fc1_2"), ("embeddings.4", "fc2")]
NAMES = [f"{name}.{kind}" for name, _ in CONVOLUTIONS + DENSE for kind in ("weight", "bias")]


def read(path):
    """The weights by torchvggish's names: convolutions [out, in, 3, 3], dense layers [out, in]."""
    if path.suffix == ".npz":
        weights = dict(np.load(path, allow_pickle=False))
    elif path.suffix in (".pth", ".pt"):
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name: value.numpy() for name, value in state.items()}
    else:
        weights = read_tensorflow(path)
    missing = [name for name in NAMES if name not in weights]
    if missing:
        sys.exit(f"{path}: no VGGish: it lacks {', '.join(missing)}")
    return {name: np.asarray(weights[name], dtype=np.float32) for name in NAMES}


def read_tensorflow(path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path))
    weights = {}
    for ours, theirs in CONVOLUTIONS + DENSE:
        kernel = reader.get_tensor(f"vggish/{theirs}/weights")
        # TensorFlow's are [height, width, in, out] and [in, out].
        weights[f"{ours}.weight"] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        weights[f"{ours}.bias"] = reader.get_tensor(f"vggish/{theirs}/biases")
    return weights


def check(weights, path):
    """Refuses shapes that do not follow each other."""
    channels, values = 1, None
    for name, _ in CONVOLUTIONS:
        shape = weights[f"{name}.weight"].shape
        if len(shape) != 4 or shape[1:] != (channels, 3, 3) or weights[f"{name}.bias"].shape != shape[:1]:
            sys.exit(f"{path}: no VGGish: {name} is {shape} after {channels} channels")
        channels = shape[0]
    values = channels * (FRAMES >> len(POOLED)) * (BANDS >> len(POOLED))
    for name, _ in DENSE:
        shape = weights[f"{name}.weight"].shape
        if len(shape) != 2 or shape[1] != values or weights[f"{name}.bias"].shape != shape[:1]:
            sys.exit(f"{path}: no VGGish: {name} is {shape} after {values} values")
        values = shape[0]
    return values


def build(weights, path="weights", half=False):
    """The graph as an ONNX model."""
    dimensions = check(weights, path)
    nodes, tensors = [], []

    def tensor(name, values):
        if half and values.dtype == np.float32:
            tensors.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        else:
            tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    value = node("Unsqueeze", ["melspectrogram", tensor("axes", np.array([1], np.int64))], "image")
    for name, _ in CONVOLUTIONS:
        parts = [value, tensor(f"{name}.weight", weights[f"{name}.weight"]), tensor(f"{name}.bias", weights[f"{name}.bias"])]
        value = node("Relu", [node("Conv", parts, f"{name}.sum", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], name)
        if name in POOLED:
            value = node("MaxPool", [value], f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2])
    # Dense weights are in the order of TensorFlow's maps: frames, bands, channels.
    value = node("Flatten", [node("Transpose", [value], "last", perm=[0, 2, 3, 1])], "flat", axis=1)
    for name, _ in DENSE:
        last = name == DENSE[-1][0]
        parts = [value, tensor(f"{name}.weight", weights[f"{name}.weight"]), tensor(f"{name}.bias", weights[f"{name}.bias"])]
        value = node("Gemm", parts, "embeddings" if last else f"{name}.sum", transB=1)
        if not last:
            value = node("Relu", [value], name)
    inputs = [helper.make_tensor_value_info("melspectrogram", TensorProto.FLOAT, ["batch", FRAMES, BANDS])]
    outputs = [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", dimensions])]
    graph = helper.make_graph(nodes, "vggish", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="vggish_model.ckpt, or a .pth or .npz file with torchvggish's names")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")
    arguments = parser.parse_args()
    model = build(read(arguments.checkpoint), arguments.checkpoint, arguments.half)
    unfinished = arguments.out.with_name(f".{arguments.out.name}.tmp")
    unfinished.write_bytes(model.SerializeToString())
    unfinished.replace(arguments.out)
    count = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    print(f"{arguments.out}: {count:,} values, {arguments.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
