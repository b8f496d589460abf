"""Writes a model small enough for valgrind, and its metadata: make_small_model.py OUT.onnx

Patches of 128 x 96 at a hop of 62 frames, as EffnetDiscogs; 6 embeddings (of every value of the patch) and 4
predictions.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FRAMES, BANDS, EMBEDDINGS, PREDICTIONS = 128, 96, 6, 4


def main():
    path = Path(sys.argv[1])
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 0.02, (FRAMES * BANDS, EMBEDDINGS)).astype(np.float32)
    tags = rng.normal(0, 1, (EMBEDDINGS, PREDICTIONS)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["melspectrogram"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["sums"]),
        helper.make_node("Tanh", ["sums"], ["PartitionedCall:1"]),
        helper.make_node("MatMul", ["PartitionedCall:1", "tags"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["PartitionedCall:0"]),
    ]
    outputs = [("PartitionedCall:0", PREDICTIONS, "predictions"), ("PartitionedCall:1", EMBEDDINGS, "embeddings")]
    typed = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [typed("melspectrogram", TensorProto.FLOAT, ["n", FRAMES, BANDS])],
        [typed(name, TensorProto.FLOAT, ["n", dim]) for name, dim, _ in outputs],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(tags, "tags")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    about = {
        "name": "small",
        "schema": {
            "inputs": [{"name": "melspectrogram", "type": "float", "shape": ["n", FRAMES, BANDS]}],
            "outputs": [
                {"name": name, "type": "float", "shape": ["n", dim], "output_purpose": purpose}
                for name, dim, purpose in outputs
            ],
        },
        "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictEffnetDiscogs"},
    }
    path.with_suffix(".json").write_text(json.dumps(about, indent=2))


if __name__ == "__main__":
    main()
