"""A peer of the fused engine, controlled over pipes: each line on standard input starts one run.

    effnet_peer.py ENGINE MODEL.onnx PATCHES.npy THREADS BATCH

ENGINE is onnxruntime, onnxruntime-int8, openvino-f32 or openvino-bf16. Prints "ready", then for each line the
seconds of wall clock and of CPU time for one batch.
"""

import sys
import time

import numpy as np


def onnxruntime_int8(path, patches):
    """The graph quantised (QDQ, per channel) and calibrated on the patches; created once, beside the original."""
    import os

    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    out = path.replace(".onnx", ".int8.onnx")
    if os.path.exists(out):
        return out

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(patches[i : i + 1] for i in range(min(32, len(patches))))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"melspectrogram": batch}

    prepared = path.replace(".onnx", ".prepared.onnx")
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        out,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return out


def open_peer(engine, model, patches, threads, batch):
    """A function that runs one batch."""
    rows = np.ascontiguousarray(np.resize(patches, (batch, *patches.shape[1:])))
    if engine.startswith("onnxruntime"):
        import onnxruntime

        if engine.endswith("int8"):
            model = onnxruntime_int8(model, patches)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(["embeddings"], {"melspectrogram": rows})
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
    engine, model, patches, threads, batch = sys.argv[1:]
    run = open_peer(engine, model, np.load(patches), int(threads), int(batch))
    for _ in range(3):
        run()
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
