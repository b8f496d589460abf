"""Times onnxruntime on a model, one request at a time.

    onnxruntime_patches.py MODEL.onnx THREADS BATCH

Each line on standard input is a number of patches; prints the seconds for them.
"""

import sys
import time

import numpy as np
import onnxruntime

model, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
put = session.get_inputs()[0]
patches = np.random.default_rng(0).uniform(0, 4, [batch, *put.shape[1:]]).astype(np.float32)
outputs = [output.name for output in session.get_outputs()][:2]
session.run(outputs, {put.name: patches})
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    for _ in range(int(line) // batch):
        session.run(outputs, {put.name: patches})
    print(time.perf_counter() - started, flush=True)
