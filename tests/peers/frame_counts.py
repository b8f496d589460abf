"""The number of frames into which Essentia cuts signals, one per line, for arguments SIZE:HOP:RATIO:LENGTH,LENGTH...
in samples, with the ratio of a frame that has to be signal."""
import sys

import numpy
from essentia.standard import FrameGenerator

for argument in sys.argv[1:]:
    size, hop, ratio, lengths = argument.split(":")
    for length in map(int, lengths.split(",")):
        frames = FrameGenerator(
            numpy.zeros(length, dtype=numpy.float32),
            frameSize=int(size), hopSize=int(hop), validFrameThresholdRatio=float(ratio),
        )
        print(sum(1 for _ in frames) if length else 0)
