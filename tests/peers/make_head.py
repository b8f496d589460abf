"""Writes a head with random weights: make_head.py OUT.onnx VALUES CLASSES."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def main():
    path, values, classes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 0.1, (values, classes)).astype(np.float32)
    bias = rng.normal(0, 0.1, classes).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["model/Placeholder", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["model/Softmax"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("model/Placeholder", TensorProto.FLOAT, ["n", values])],
        [helper.make_tensor_value_info("model/Softmax", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    main()
