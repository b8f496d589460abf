"""What a model should give for a recording: Essentia's front ends, this script's patches, onnxruntime's network.

    zoo_expected.py RECORDING FOLDER OUT STEM[+HEAD...] ...

For each STEM of FOLDER (see make_zoo.py), OUT/STEM.json names its outputs, each with a file of OUT: float32 [patches,
...]. With heads, OUT/HEAD.npy has their predictions. The front ends are the algorithms of the Essentia package (OpenL3's
and CREPE's are written out here, in double precision), patches and normalisation are those of its TensorflowPredict
algorithms (zoo.md of the models' authors). Nothing is shared with the library.
"""

import json
import re
import sys
from pathlib import Path

import essentia
import numpy as np
import onnxruntime
from essentia import standard as es

essentia.log.infoActive = False

MAEST = {316: 313, 626: 625, 1256: 1250, 1876: 1875}
# TensorflowPredictMAEST: mean, and twice the deviation.
MAEST_MEAN, MAEST_SCALE = 2.06755686098554, 2 * 1.268292820667291


def load(recording, rate):
    return es.MonoLoader(filename=str(recording), sampleRate=rate, resampleQuality=4)()


def essentia_frames(audio, algorithm, frame, hop):
    compute = algorithm()
    cutter = es.FrameGenerator(audio, frameSize=frame, hopSize=hop, startFromZero=False, validFrameThresholdRatio=0)
    return np.array([compute(samples) for samples in cutter])


def cut(frames, length, hop):
    starts = range(0, len(frames) - length + 1, hop)
    return np.array([frames[start : start + length] for start in starts], np.float32)


def standardised(patch):
    values = patch.astype(np.float64)
    return ((values - values.mean()) / values.std()).astype(np.float32)


def openl3_bands(count):
    """Slaney's filters from 0 to 24000 Hz over 1025 bins, triangles in hertz, unit area."""
    step = np.log(6.4) / 27

    def hertz(mel):
        return np.where(mel < 15, mel / 0.015, 1000 * np.exp((np.maximum(mel, 15) - 15) * step))

    top = 15 + np.log(24) / step
    edges = hertz(np.linspace(0, top, count + 2))
    bins = np.arange(1025) * 48000 / 2048
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall)) / ((edges[2:] - edges[:-2]) / 2)[:, None]


def openl3_patches(audio, count):
    filters = openl3_bands(count)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2047)
    patches = []
    for start in range(-24000, len(audio), 48000):
        chunk = np.zeros(48000)
        first, last = max(start, 0), min(start + 48000, len(audio))
        chunk[first - start : last - start] = audio[first:last]
        padded = np.concatenate([np.zeros(1024), chunk, np.zeros(4096)])
        frames = np.array([padded[242 * k : 242 * k + 2048] * window for k in range(199)])
        bands = np.abs(np.fft.rfft(frames)) @ filters.T
        decibels = 10 * np.log10(np.maximum(bands, 1e-10))
        decibels = np.maximum(decibels, decibels.max() - 80) - decibels.max()
        patches.append(decibels.T[:, :, None])
    return np.array(patches, np.float32)


def crepe_frames(audio):
    padded = np.concatenate([np.zeros(512), audio, np.zeros(1024)])
    return np.array([padded[160 * k : 160 * k + 1024] for k in range(1 + len(audio) // 160)])


def patches(recording, algorithm, shape):
    """The input of a network for a recording, as the shape of its graph says: `[patches, ...]`."""
    if algorithm in ("TensorflowPredictMusiCNN", "TensorflowPredictEffnetDiscogs", "TensorflowPredictMAEST"):
        mel = essentia_frames(load(recording, 16000), es.TensorflowInputMusiCNN, 512, 256)
        if algorithm == "TensorflowPredictMAEST":
            length = shape[-2]
            return cut((mel - MAEST_MEAN) / MAEST_SCALE, length, MAEST[length])
        return cut(mel, *((187, 93) if algorithm.endswith("MusiCNN") else (128, 62)))
    if algorithm == "TensorflowPredictVGGish":
        return cut(essentia_frames(load(recording, 16000), es.TensorflowInputVGGish, 400, 160), 96, 93)
    if algorithm == "TempoCNN":
        mel = essentia_frames(load(recording, 11025), es.TensorflowInputTempoCNN, 1024, 512)
        return np.array([standardised(patch).T[:, :, None] for patch in cut(mel, 256, 128)])
    if algorithm == "TensorflowPredictFSDSINet":
        audio = load(recording, 22050)
        audio = audio - audio.mean()
        audio = (audio / (np.abs(audio).max() + 0.005)).astype(np.float32)
        return cut(essentia_frames(audio, es.TensorflowInputFSDSINet, 660, 220), 101, 50)[:, :, :, None]
    if algorithm == "PitchCREPE":
        return np.array([standardised(frame) for frame in crepe_frames(load(recording, 16000))])
    if algorithm == "":
        return openl3_patches(load(recording, 48000), shape[1])
    sys.exit(f"{algorithm}: no such algorithm")


def network(path, rows, names=None):
    """The outputs for all rows, in batches that the graph takes; the last one is filled with zeros."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    put = session.get_inputs()[0]
    names = names or [output.name for output in session.get_outputs()]
    fixed = put.shape[0] if isinstance(put.shape[0], int) else None
    size = fixed or 16
    results = []
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        filled = batch
        if fixed and len(batch) < size:
            filled = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), np.float32)])
        results.append([value[: len(batch)] for value in session.run(names, {put.name: filled})])
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*results))}


def metadata(path):
    # Some published files have commas behind the last entry.
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", path.read_text()))


def embedding(outputs, algorithm):
    """The output that heads were trained on."""
    if algorithm == "TensorflowPredictMAEST":
        return outputs["PartitionedCall/Identity_12"]
    for name in ("model/dense/BiasAdd", "PartitionedCall:1", "model/vggish/embeddings", "embeddings"):
        if name in outputs:
            return outputs[name]
    sys.exit(f"no embedding among {', '.join(outputs)}")


def main():
    recording, folder, out = (Path(argument) for argument in sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[4:]:
        stem, *heads = argument.split("+")
        session = onnxruntime.InferenceSession(str(folder / f"{stem}.onnx"), providers=["CPUExecutionProvider"])
        algorithm = metadata(folder / f"{stem}.json")["inference"]["algorithm"]
        rows = patches(recording, algorithm, session.get_inputs()[0].shape)
        outputs = network(folder / f"{stem}.onnx", rows.astype(np.float32))
        files = {}
        for index, (name, values) in enumerate(outputs.items()):
            files[name] = f"{stem}.{index}.npy"
            np.save(out / files[name], np.ascontiguousarray(values.reshape(len(values), -1), np.float32))
        (out / f"{stem}.json").write_text(json.dumps(files))
        for head in heads:
            predictions = list(network(folder / f"{head}.onnx", embedding(outputs, algorithm)).values())[-1]
            np.save(out / f"{head}.npy", np.ascontiguousarray(predictions.reshape(len(predictions), -1), np.float32))


if __name__ == "__main__":
    main()
