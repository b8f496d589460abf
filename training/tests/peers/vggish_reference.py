"""Runs PyPI's torchvggish on random weights and on real audio, and stores what comes out.

    vggish_reference.py tests/data/vggish

Needs numpy, onnx, onnxruntime, soundfile, resampy and torchvggish 0.2 with any PyTorch. It makes
- `small.onnx`: a network of VGGish's architecture with a thirty-second of its channels, its weights drawn by `uniform`,
  written by `models/convert_vggish.py` from torchvggish's own state;
- `reference.npz`: torchvggish's values for that network, before and after its last rectifier, on examples that both
  sides make by `uniform`; and torchvggish's log-mel frames of two recordings in `tests/data/golden/`.
The test `vggish` compares with them and needs neither Python nor PyTorch.

It also builds the network at its full size, 72 million weights, converts it through a .pth file, and fails if ONNX
Runtime's values stray from torchvggish's by more than 1e-4 of the largest.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import torch
from torchvggish import mel_features, vggish_params
from torchvggish.torchvggish import VGG
from torch import nn

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "models"))
import convert_vggish  # noqa: E402

EXAMPLES = 3
FULL = [64, 128, 256, 256, 512, 512, 4096, 4096, 128]
# The frames of each recording that are stored.
FRAMES = slice(100, 140)


def uniform(name, *dims):
    """Values in 0..1, a function of a name: FNV-1a of the name, then splitmix64 of every index."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, int(np.prod(dims)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / (1 << 24)).reshape(dims)


def examples():
    """[EXAMPLES, 96, 64], each as loud in its bands and frames as no other."""
    bands, frames = uniform("bands", EXAMPLES, 1, 64), uniform("frames", EXAMPLES, 96, 1)
    return (uniform("examples", EXAMPLES, 96, 64) * bands * frames * 8 - 4).astype(np.float32)


def network(widths):
    """torchvggish's own class with layers of these widths, and weights of their names."""
    convolutions, dense = widths[:6], widths[6:]
    layers, channels = [], 1
    for at, width in enumerate(convolutions):
        layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
        channels = width
        if at in (0, 1, 3, 5):
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
    vgg = VGG(nn.Sequential(*layers), postprocess=False)
    if widths != FULL:
        values = channels * 6 * 4
        for at, width in zip((0, 2, 4), dense):
            vgg.embeddings[at] = nn.Linear(values, width)
            values = width
    with torch.no_grad():
        for name, tensor in vgg.state_dict().items():
            fan_in = int(np.prod(tensor.shape[1:]))
            scale = 0.3 if tensor.ndim == 1 else (6 / fan_in) ** 0.5
            values = (2 * uniform(name, *tensor.shape) - 1) * scale
            tensor.copy_(torch.from_numpy(values.astype(np.float32)))
    return vgg.eval()


def values_of(vgg, inputs):
    """What torchvggish gives, and the same before its last rectifier."""
    inputs = torch.from_numpy(inputs)[:, None]
    with torch.no_grad():
        after = vgg(inputs).numpy().copy()
        # A module without a parameter in place of the rectifier.
        rectifier, vgg.embeddings[5] = vgg.embeddings[5], nn.Identity()
        before = vgg(inputs).numpy().copy()
        vgg.embeddings[5] = rectifier
    return before, after


def convert(vgg, out):
    """Through a .pth file, as torchvggish keeps its weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vggish.pth"
        torch.save(vgg.state_dict(), path)
        out.write_bytes(convert_vggish.build(convert_vggish.read(path), path).SerializeToString())


def run(path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["embeddings"], {"melspectrogram": inputs})[0]


def compare(name, found, before, after):
    """Fails if the values stray; also if they would not show it."""
    spread = np.abs(before[0] - before[1]).max() / np.abs(before).max()
    error = np.abs(found - before).max() / np.abs(before).max()
    rectified = np.abs(np.maximum(found, 0) - after).max() / np.abs(before).max()
    print(f"{name}: {found.shape[1]} values, off by {error:.1e} of the largest, {rectified:.1e} after the rectifier; "
          f"examples differ by {spread:.2f}")
    if not (error < 1e-4 and rectified < 1e-4 and spread > 0.1 and (before < 0).any() and (after > 0).any()):
        sys.exit(f"{name}: not the same network")


def log_mel(samples):
    return mel_features.log_mel_spectrogram(
        samples,
        audio_sample_rate=vggish_params.SAMPLE_RATE,
        log_offset=vggish_params.LOG_OFFSET,
        window_length_secs=vggish_params.STFT_WINDOW_LENGTH_SECONDS,
        hop_length_secs=vggish_params.STFT_HOP_LENGTH_SECONDS,
        num_mel_bins=vggish_params.NUM_MEL_BINS,
        lower_edge_hertz=vggish_params.MEL_MIN_HZ,
        upper_edge_hertz=vggish_params.MEL_MAX_HZ,
    )


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    stored = {}
    inputs = examples()

    small = network([2, 4, 8, 8, 16, 16, 16, 16, 8])
    stored["before"], stored["after"] = values_of(small, inputs)
    convert(small, out / "small.onnx")
    compare("small", run(out / "small.onnx", inputs), stored["before"], stored["after"])

    with tempfile.TemporaryDirectory() as folder:
        full = network(FULL)
        path = Path(folder) / "vggish.onnx"
        convert(full, path)
        compare("full size", run(path, inputs), *values_of(full, inputs))

    for name in ("music1", "music2"):
        samples, rate = soundfile.read(REPOSITORY / f"tests/data/golden/{name}.wav", dtype="int16")
        assert rate == 16000 and samples.ndim == 1
        frames = log_mel(samples / 32768.0)
        stored[f"{name}_frames"] = np.array(len(frames))
        stored[name] = frames[FRAMES].astype(np.float32)
    np.savez(out / "reference.npz", **stored)


if __name__ == "__main__":
    main()
