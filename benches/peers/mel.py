"""Essentia's front ends, timed on request.

Loads the mono samples of the given file `FRONT_END.f32`, which are at that front end's rate. Then, for each line of
standard input, computes its frames in that way and prints the number of frames and the seconds of CPU time: `loop` runs
the algorithms over the frames of a FrameGenerator; `network` is a streaming network from memory; `file` is one from a
WAV file, including reading it. OpenL3 has only the loop, as in MTG's script. `ways` prints how many there are.
"""
import pathlib
import sys
import tempfile
import time
import wave

import essentia
import numpy

essentia.log.infoActive = False
essentia.log.warningActive = False
import essentia.standard as standard
import essentia.streaming as streaming

# Rate, algorithm, samples of a frame and of a hop, and the ratio of a frame that has to be signal.
FRONT_ENDS = {
    "musicnn": (16000, "TensorflowInputMusiCNN", 512, 256, 0),
    "vggish": (16000, "TensorflowInputVGGish", 400, 160, 0),
    "tempocnn": (11025, "TensorflowInputTempoCNN", 1024, 512, 0),
    "fsd-sinet": (22050, "TensorflowInputFSDSINet", 660, 220, 0),
    "crepe": (16000, None, 1024, 160, 0.5),
}

path = pathlib.Path(sys.argv[1])
samples = numpy.fromfile(path, dtype=numpy.float32)


def openl3(bands):
    window = standard.Windowing(size=2048, normalized=False, zeroPhase=False)
    spectrum = standard.Spectrum(size=2048)
    mel = standard.MelBands(
        inputSize=1025, numberBands=bands, sampleRate=48000, lowFrequencyBound=0, highFrequencyBound=24000,
        type="magnitude", warpingFormula="slaneyMel", weighting="linear", normalize="unit_tri", log=False,
    )

    def run():
        frames = 0
        for chunk in standard.FrameGenerator(samples, frameSize=48000, hopSize=48000):
            cut = standard.FrameGenerator(chunk, frameSize=2048, hopSize=242, validFrameThresholdRatio=0.5)
            sums = numpy.array([mel(spectrum(window(frame))) for frame in cut])
            frames += len(10 * numpy.log10(numpy.maximum(1e-10, sums)))
        return frames

    return run


def loop(algorithm, size, hop, ratio):
    bands = getattr(standard, algorithm)() if algorithm else lambda frame: frame

    def run():
        cut = standard.FrameGenerator(samples, frameSize=size, hopSize=hop, validFrameThresholdRatio=ratio)
        return len([bands(frame) for frame in cut])

    return run


def network(source, output, algorithm, size, hop, ratio):
    """A function that runs the streaming network of `source`, connected at its `output`."""
    cutter = streaming.FrameCutter(
        frameSize=size, hopSize=hop, silentFrames="keep", validFrameThresholdRatio=ratio
    )
    pool = essentia.Pool()
    output >> cutter.signal
    mel = None
    if algorithm:
        mel = getattr(streaming, algorithm)()
        cutter.frame >> mel.frame
        mel.bands >> (pool, "mel")
    else:
        cutter.frame >> (pool, "mel")

    def run():
        pool.clear()
        essentia.reset(source)
        essentia.run(source)
        return len(pool["mel"])

    return run, (cutter, mel, pool)


if path.stem.startswith("openl3"):
    ways = {"loop": openl3(int(path.stem.removeprefix("openl3-mel")))}
else:
    rate, *parameters = FRONT_ENDS[path.stem]
    folder = tempfile.TemporaryDirectory()
    recording = pathlib.Path(folder.name) / "samples.wav"
    with wave.open(str(recording), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    # Essentia's algorithms live only as long as Python holds a reference.
    memory = streaming.VectorInput(samples)
    from_memory, held = network(memory, memory.data, *parameters)
    loader = streaming.MonoLoader(filename=str(recording), sampleRate=rate, resampleQuality=4)
    from_file, also_held = network(loader, loader.audio, *parameters)
    ways = {"loop": loop(*parameters), "network": from_memory, "file": from_file}

for line in sys.stdin:
    if line.strip() == "ways":
        print(len(ways), flush=True)
        continue
    compute = ways[line.strip()]
    started = time.process_time()
    frames = compute()
    print(frames, time.process_time() - started, flush=True)
