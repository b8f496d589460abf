# SPDX-License-Identifier: AGPL-3.0-or-later
"""The algorithms in a Python package of Essentia: algorithms.py SMALL.onnx HEAD.onnx AUDIO [MODEL.pt]

The first two are written by tests/peers/make_small_model.py and make_head.py; a .pt runs through the torch plugin.
"""

import sys

# Imported before and after the package: classes appear in both modules.
import essentia.standard as standard
import sleeve_essentia
import essentia.streaming as streaming

import essentia
import numpy as np


def signal(samples):
    random = np.random.default_rng(1)
    return (random.normal(size=samples) * np.sin(np.arange(samples) * 1e-4) * 0.3).astype(np.float32)


def raises(action, *parts):
    try:
        action()
    except RuntimeError as error:
        for part in parts:
            assert part in str(error), f"`{part}` is not in: {error}"
        return
    raise AssertionError(f"no error that contains {parts}")


def stream(audio, *algorithms):
    """The result of a streaming network of consecutive algorithms."""
    pool = essentia.Pool()
    source = streaming.VectorInput(audio)
    source.data >> algorithms[0].signal
    for one, next_one in zip(algorithms, algorithms[1:]):
        one.predictions >> next_one.features
    algorithms[-1].predictions >> (pool, "rows")
    essentia.run(source)
    return pool["rows"]


def documentation():
    for name in sleeve_essentia.ALGORITHMS:
        for module in [standard, streaming]:
            text = getattr(module, name).__doc__
            assert name in text and "Description:" in text, text
    text = standard.SleevePredict.__doc__
    for word in ["patchHopSize", "lastPatchMode", "batchSize", "accumulate", "output", "model", "level", "device", "precision"]:
        assert f"  {word}:" in text, word
    assert "16 kHz" in text and "inputSampleRate" in text and "48384: 2 / 1" in text


def bands():
    ours, theirs = standard.SleeveInputMusiCNN(), standard.TensorflowInputMusiCNN()
    audio = signal(512 * 50)
    worst = max(np.abs(ours(f) - theirs(f)).max() for f in audio.reshape(-1, 512))
    assert worst <= 5e-5, worst
    raises(lambda: ours(audio[:100]), "SleeveInputMusiCNN", "512")


def predictions(model, head):
    audio = signal(160000)
    predict = standard.SleevePredict(model=model)
    rows = predict(audio)
    assert rows.shape == (9, 4) and rows.dtype == np.float32, (rows.shape, rows.dtype)
    embeddings = standard.SleevePredict(model=model, output="embeddings", threads=1)(audio)
    assert embeddings.shape == (9, 6)
    assert not np.allclose(embeddings[0], embeddings[1])
    heads = standard.SleevePredict2D(model=head)(embeddings)
    assert heads.shape == (9, 3) and np.allclose(heads.sum(axis=1), 1)
    for batch in [-1, 0, 1, 64]:
        assert np.array_equal(standard.SleevePredict(model=model, batchSize=batch)(audio), rows)
    assert len(predict(audio[:1000])) == 0
    assert standard.SleevePredict(model=model, lastPatchMode="repeat")(audio[:1000]).shape == (1, 4)
    resampled = standard.SleevePredict(model=model, inputSampleRate=44100)(signal(441000))
    assert resampled.shape == (9, 4)
    levels = [standard.SleevePredict(model=model, level="track")(gain * audio) for gain in [1, 0.25]]
    assert np.allclose(*levels, atol=1e-4) and not np.allclose(levels[0], rows, atol=1e-4)
    streamed = stream(audio, streaming.SleevePredict(model=model, level="track", accumulate=True))
    assert np.array_equal(streamed, levels[0])
    for accumulate in [False, True]:
        streamed = stream(audio, streaming.SleevePredict(model=model, accumulate=accumulate))
        assert np.array_equal(streamed, rows)
    chained = stream(
        audio, streaming.SleevePredict(model=model, output="embeddings"), streaming.SleevePredict2D(model=head)
    )
    assert np.array_equal(chained, heads)


def errors(model, head):
    audio = signal(40000)
    raises(lambda: standard.SleevePredict()(audio), "SleevePredict", "no model")
    raises(lambda: standard.SleevePredict(model="/nowhere/m.onnx"), "/nowhere/m.onnx", "No such file")
    raises(lambda: standard.SleevePredict(model=__file__), "algorithms.py")
    raises(lambda: standard.SleevePredict(model=head), "head")
    raises(lambda: standard.SleevePredict2D(model=model), "takes audio")
    raises(lambda: standard.SleevePredict(model=model, output="nothing"), "nothing")
    raises(lambda: standard.SleevePredict(model=model, lastPatchMode="guess"), "lastPatchMode")
    raises(lambda: standard.SleevePredict(model=model, level="album"), "level")
    raises(lambda: stream(audio, streaming.SleevePredict(model=model, level="track")), "cannot be levelled")
    raises(lambda: standard.SleevePredict(model=model)(np.zeros(0, np.float32)), "empty")
    raises(lambda: standard.SleevePredict(model=model)(np.full(40000, np.nan, np.float32)), "SleevePredict")
    raises(lambda: stream(audio, streaming.SleevePredict()), "no model")


def recording(file):
    """The example of the documentation."""
    audio = standard.MonoLoader(filename=file, sampleRate=16000, resampleQuality=4)()
    tags = standard.SleevePredict(model="msd-musicnn-1")(audio)
    pool = essentia.Pool()
    loader = streaming.MonoLoader(filename=file, sampleRate=16000, resampleQuality=4)
    predict = streaming.SleevePredict(model="msd-musicnn-1")
    loader.audio >> predict.signal
    predict.predictions >> (pool, "tags")
    essentia.run(loader)
    assert tags.shape[1] == 50 and len(tags) > 3
    assert np.array_equal(pool["tags"], tags)


def torchscript(onnx, pt):
    """The same network in both forms."""
    audio = signal(64000)
    expected = standard.SleevePredict(model=onnx, output="embeddings", precision="f32")(audio)
    found = standard.SleevePredict(model=pt, output="embeddings", device="cpu", precision="f32")(audio)
    assert found.shape == expected.shape and len(found) == 2, (found.shape, expected.shape)
    worst = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"torch: {worst:.2g} of the largest value from our own engine")
    assert worst < 1e-4
    assert np.array_equal(found, standard.SleevePredict(model=pt, output="embeddings", precision="f32", device="cpu")(audio))


def main():
    model, head, file = sys.argv[1:4]
    documentation()
    bands()
    predictions(model, head)
    errors(model, head)
    recording(file)
    if len(sys.argv) > 4:
        torchscript(*sys.argv[4:])
    print("ok")


if __name__ == "__main__":
    main()
