# SPDX-License-Identifier: AGPL-3.0-or-later
"""Compares Essentia's TensorFlow algorithms with ours on the same weights: parity.py GRAPHS

Needs the package essentia-tensorflow. GRAPHS is the folder that tests/peers/essentia_graphs.py wrote.
"""

import sys
from pathlib import Path

import numpy as np

import sleeve_essentia  # noqa: F401
import essentia.standard as es

# Predictions are at most about 1; embeddings are compared relative to the largest.
TOLERANCE = 1e-3


def signal(samples, seed):
    """A signal that changes every second: tones, sweeps and noise."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 16000
    x = 0.02 * random.normal(size=samples)
    for second in range(samples // 16000 + 1):
        inside = (time >= second) & (time < second + 1)
        low, high = random.uniform(80, 7000, 2)
        x += inside * random.uniform(0.05, 0.4) * np.sin(2 * np.pi * (low + (high - low) * (time % 1) / 2) * time)
    return x.astype(np.float32)


def compare(what, ours, theirs):
    assert ours.shape == theirs.shape, f"{what}: {ours.shape}, not {theirs.shape}"
    assert np.isfinite(ours).all(), what
    scale = max(1.0, float(np.abs(theirs).max()))
    worst = float(np.abs(ours - theirs).max()) / scale
    # If patches were alike, swapped patches would not be noticed.
    spread = float(np.abs(theirs - theirs[::-1]).max()) / scale
    print(f"{what}: {ours.shape}, {worst:.2g} at most, patches {spread:.2g} apart")
    assert worst <= TOLERANCE, what
    assert spread > 20 * TOLERANCE, f"{what}: the patches are too similar"


def networks(graphs):
    # The first two lengths have the same number of patches in both; the third has one fewer in Essentia (see our
    # documentation).
    for samples, fewer in [(160000, 0), (32513 + 62 * 256 * 6, 0), (48384, 1)]:
        audio = signal(samples, samples)
        for output, name in [("Identity", "predictions"), ("Identity_1", "embeddings")]:
            theirs = es.TensorflowPredictEffnetDiscogs(
                graphFilename=str(graphs / "effnet.pb"), input="serving_default_melspectrogram", output=output
            )(audio)
            ours = es.SleevePredict(graphFilename=str(graphs / "effnet.pb"), output=output)(audio)
            assert len(ours) == len(theirs) + fewer, f"{samples}: {len(ours)} and {len(theirs)} patches"
            if len(theirs) > 1:
                compare(f"EffnetDiscogs, {samples} samples, {name}", ours[: len(theirs)], theirs)
                named = es.SleevePredict(model=str(graphs / "effnet.onnx"), output=name)(audio)
                assert np.array_equal(named, ours)
    for samples in [160000, 480000]:
        audio = signal(samples, samples)
        for output in ["Identity", "Identity_1"]:
            theirs = es.TensorflowPredictMusiCNN(
                graphFilename=str(graphs / "musicnn.pb"), input="patches", output=output
            )(audio)
            ours = es.SleevePredict(graphFilename=str(graphs / "musicnn.pb"), input="patches", output=output)(audio)
            compare(f"MusiCNN, {samples} samples, {output}", ours[: len(theirs)], theirs)
            assert 0 <= len(ours) - len(theirs) <= 1


# From the documentation: samples, our patches, and those of EffnetDiscogs in its default mode.
COUNTS = [
    (32256, 0, 0),
    (32257, 1, 0),
    (32513, 1, 1),
    (48384, 2, 1),
    (48385, 2, 2),
    (160000, 9, 9),
    (480000, 29, 29),
    (2880000, 180, 180),
]


def counts(graphs):
    """The number of patches of a signal, for each row of the documented table."""
    graph = str(graphs / "effnet.pb")
    ours = es.SleevePredict(graphFilename=graph)
    theirs = es.TensorflowPredictEffnetDiscogs(
        graphFilename=graph, input="serving_default_melspectrogram", output="Identity"
    )
    for samples, here, there in COUNTS:
        audio = signal(samples, 1)
        assert (len(ours(audio)), len(theirs(audio))) == (here, there), samples
    print(f"patches of {len(COUNTS)} lengths of signal as documented")


def heads(graphs):
    random = np.random.default_rng(3)
    embeddings = random.normal(size=(70, 1280)).astype(np.float32)
    parameters = dict(graphFilename=str(graphs / "head.pb"), input="embeddings", output="Identity", dimensions=1280)
    theirs = es.TensorflowPredict2D(**parameters)(embeddings)
    compare("2D", es.SleevePredict2D(**parameters)(embeddings), theirs)


def last_patches(graphs):
    """Clips shorter than a patch, and the frames after the last whole one, are repeated until they fill one."""
    for samples in [24000, 60000]:
        audio = signal(samples, samples)
        parameters = dict(graphFilename=str(graphs / "musicnn.pb"), input="patches", output="Identity", lastPatchMode="repeat")
        ours, theirs = es.SleevePredict(**parameters)(audio), es.TensorflowPredictMusiCNN(**parameters)(audio)
        assert len(ours) == samples // 24000 and ours.shape == np.shape(theirs), (ours.shape, np.shape(theirs))
        assert np.abs(ours - theirs).max() <= TOLERANCE
        # Essentia omits the last frame of EffnetDiscogs, so only the whole patches are the same.
        parameters = dict(graphFilename=str(graphs / "effnet.pb"), output="Identity", lastPatchMode="repeat")
        ours, theirs = es.SleevePredict(**parameters)(audio), es.TensorflowPredictEffnetDiscogs(**parameters)(audio)
        assert ours.shape == np.shape(theirs) == (samples // 20000 if samples > 24000 else 1, 400), ours.shape
        assert len(ours) == 1 or np.abs(ours[:-1] - np.array(theirs)[:-1]).max() <= TOLERANCE


def main():
    graphs = Path(sys.argv[1])
    networks(graphs)
    counts(graphs)
    heads(graphs)
    last_patches(graphs)
    print("ok")


if __name__ == "__main__":
    main()
