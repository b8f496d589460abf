"""The frames of each patch that Essentia cuts: `patches.py MODE FRAMES,SIZE,HOP ...`, one line per case.

Frames are single values, numbered from 0; MODE is `discard` or `repeat`.
"""
import sys

import essentia
import numpy

essentia.log.infoActive = False
essentia.log.warningActive = False
from essentia.streaming import TensorToVectorReal, VectorInput, VectorRealToTensor


def patches(mode, frames, size, hop):
    source = VectorInput(numpy.arange(frames, dtype=numpy.float32).reshape(-1, 1))
    tensor = VectorRealToTensor(shape=[1, 1, size, 1], patchHopSize=hop, lastPatchMode=mode)
    vectors = TensorToVectorReal()
    pool = essentia.Pool()
    source.data >> tensor.frame
    tensor.tensor >> vectors.tensor
    vectors.frame >> (pool, "frames")
    essentia.run(source)
    return pool["frames"].ravel() if "frames" in pool.descriptorNames() else []


for case in sys.argv[2:]:
    print(*(int(frame) for frame in patches(sys.argv[1], *map(int, case.split(",")))))
