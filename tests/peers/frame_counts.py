"""The number of frames into which Essentia cuts a signal, for every length up to the one given, one per line."""
import sys

import numpy
from essentia.standard import FrameGenerator

for length in range(int(sys.argv[1]) + 1):
    samples = numpy.zeros(length, dtype=numpy.float32)
    print(sum(1 for _ in FrameGenerator(samples, frameSize=512, hopSize=256)) if length else 0)
