"""Runs a model on onnxruntime.

    onnx_outputs.py MODEL.onnx INPUT.npy FOLDER

INPUT is `[rows, values]`; for each output of the model, `FOLDER/<index>.npy` is `[rows, dim]`.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

model, values, folder = sys.argv[1], np.load(sys.argv[2]), Path(sys.argv[3])
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
put = session.get_inputs()[0]
shaped = values.reshape([len(values), *put.shape[1:]]).astype(np.float32)
for index, output in enumerate(session.run(None, {put.name: shaped})):
    np.save(folder / f"{index}.npy", output.reshape(len(values), -1))
