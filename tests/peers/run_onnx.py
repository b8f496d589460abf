"""Runs patches through an ONNX graph on onnxruntime, in f32 on one thread.

    run_onnx.py MODEL.onnx PATCHES.npy OUT_PREFIX

Writes output `i` as OUT_PREFIX<i>.npy. A graph with a fixed batch size gets that many patches at a time; the
last batch is padded with zeros.
"""

import sys

import numpy as np
import onnxruntime

model, patches, prefix = sys.argv[1:]
patches = np.load(patches)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
(input_,) = session.get_inputs()
batch = input_.shape[0]
if isinstance(batch, int):
    count = len(patches)
    padded = np.zeros((-(-count // batch) * batch, *patches.shape[1:]), np.float32)
    padded[:count] = patches
    parts = [session.run(None, {input_.name: padded[i : i + batch]}) for i in range(0, len(padded), batch)]
    outputs = [np.concatenate(part)[:count] for part in zip(*parts)]
else:
    outputs = session.run(None, {input_.name: patches})
for i, output in enumerate(outputs):
    np.save(f"{prefix}{i}.npy", output)
