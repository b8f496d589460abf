"""A peer of the engines, controlled over pipes: each line on standard input starts one run.

    engine_peer.py ENGINE MODEL.onnx THREADS BATCH

ENGINE is onnxruntime, openvino-f32 or openvino-bf16. All outputs are computed. Prints "ready", then for each line the
seconds of wall clock and of CPU time for one batch.
"""

import sys
import time

import numpy as np


def open_peer(engine, model, threads, batch):
    """A function that runs one batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    put = session.get_inputs()[0]
    rows = np.random.default_rng(0).uniform(0, 4, [batch, *put.shape[1:]]).astype(np.float32)
    if engine == "onnxruntime":
        return lambda: session.run(None, {put.name: rows})
    del session
    import openvino

    core = openvino.Core()
    graph = core.read_model(model)
    graph.reshape(list(rows.shape))
    settings = {
        "INFERENCE_PRECISION_HINT": engine.rsplit("-", 1)[1],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(graph, "CPU", settings).create_infer_request()
    return lambda: request.infer({0: rows})


def main():
    engine, model, threads, batch = sys.argv[1:]
    run = open_peer(engine, model, int(threads), int(batch))
    for _ in range(3):
        run()
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
