"""Essentia's mel-spectrogram, timed on request.

Loads the mono 16 kHz samples of the given file. Then, for each line of standard input, computes their mel-spectrogram
in that way and prints the number of frames and the seconds of CPU time: `loop` runs the algorithm over the frames of a
FrameGenerator; `network` is a streaming network from memory; `file` is one from a WAV file, including reading it.
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

samples = numpy.fromfile(sys.argv[1], dtype=numpy.float32)
bands = standard.TensorflowInputMusiCNN()


def loop():
    return len([bands(frame) for frame in standard.FrameGenerator(samples, frameSize=512, hopSize=256)])


def network(source, output):
    """A function that runs the streaming network of `source`, connected at its `output`."""
    cutter = streaming.FrameCutter(frameSize=512, hopSize=256, silentFrames="keep")
    mel = streaming.TensorflowInputMusiCNN()
    pool = essentia.Pool()
    output >> cutter.signal
    cutter.frame >> mel.frame
    mel.bands >> (pool, "mel")

    def run():
        pool.clear()
        essentia.reset(source)
        essentia.run(source)
        return len(pool["mel"])

    return run, (cutter, mel, pool)


folder = tempfile.TemporaryDirectory()
path = pathlib.Path(folder.name) / "samples.wav"
with wave.open(str(path), "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(16000)
    file.writeframes((samples * 32767).astype("<i2").tobytes())

# Essentia's algorithms live only as long as Python holds a reference.
memory = streaming.VectorInput(samples)
from_memory, held = network(memory, memory.data)
loader = streaming.MonoLoader(filename=str(path), sampleRate=16000, resampleQuality=4)
from_file, also_held = network(loader, loader.audio)
ways = {"loop": loop, "network": from_memory, "file": from_file}

for line in sys.stdin:
    compute = ways[line.strip()]
    started = time.process_time()
    frames = compute()
    print(frames, time.process_time() - started, flush=True)
