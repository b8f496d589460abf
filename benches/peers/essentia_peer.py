"""Runs Essentia with its own algorithm or with ours, on one core.

    essentia_peer.py FOLDER [once]

FOLDER contains `graphs/effnet.{pb,onnx}`, `signal.npy` (3 minutes at 16 kHz), `patch.npy` (the samples of one patch)
and `song.mp3`. With the package essentia-tensorflow it runs TensorflowPredictEffnetDiscogs, with the plain package
SleevePredict. For each line on standard input, `signal` or `file`, it prints the seconds of wall clock and of CPU time
and the number of patches. `once` prints a line after the first result, runs the signal and exits.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Must be set before TensorFlow counts the cores.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402


def predictor(folder):
    import essentia

    essentia.log.infoActive = False
    # MonoLoader warns on every call that it has no network.
    essentia.log.warningActive = False
    if essentia._essentia.keys().count("TensorflowPredictEffnetDiscogs"):
        from essentia.standard import TensorflowPredictEffnetDiscogs

        return TensorflowPredictEffnetDiscogs(graphFilename=f"{folder}/graphs/effnet.pb", output="Identity_1")
    import sleeve_essentia  # noqa: F401
    from essentia.standard import SleevePredict

    return SleevePredict(model=f"{folder}/graphs/effnet.onnx", output="Identity_1", threads=1)


def once(folder):
    predict = predictor(folder)
    assert len(predict(np.load(f"{folder}/patch.npy"))) == 1
    print("first", flush=True)
    print(len(predict(np.load(f"{folder}/signal.npy"))), flush=True)


def serve(folder):
    predict = predictor(folder)
    from essentia.standard import MonoLoader

    signal = np.load(f"{folder}/signal.npy")

    def whole_file():
        return MonoLoader(filename=f"{folder}/song.mp3", sampleRate=16000, resampleQuality=4)()

    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        rows = predict(signal if line.strip() == "signal" else whole_file())
        print(time.perf_counter() - wall, time.process_time() - cpu, len(rows), flush=True)


if __name__ == "__main__":
    (once if sys.argv[2:] == ["once"] else serve)(sys.argv[1])
