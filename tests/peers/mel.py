"""Essentia's mel-spectrogram of every `NAME.f32` in a folder (mono samples at 16 kHz), as `NAME.npy` beside it."""
import pathlib
import sys

import essentia
import numpy

essentia.log.infoActive = False
essentia.log.warningActive = False
from essentia.standard import FrameGenerator, TensorflowInputMusiCNN

bands = TensorflowInputMusiCNN()
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.f32")):
    samples = numpy.fromfile(path, dtype=numpy.float32)
    frames = [bands(frame) for frame in FrameGenerator(samples, frameSize=512, hopSize=256)]
    numpy.save(path.with_suffix(".npy"), numpy.array(frames, dtype=numpy.float32).reshape(-1, 96))
