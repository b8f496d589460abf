"""Prints what NumPy reads from a folder of features: name, shape and type of each file, and its last frame."""
import pathlib
import sys

import numpy

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*/*/*.npy")):
    array = numpy.load(path, mmap_mode="r")
    assert isinstance(array, numpy.memmap) and array.flags.c_contiguous and array.flags.aligned
    print(path.relative_to(folder), *array.shape, array.dtype, *(float(value) for value in array[-1]))
