"""Prints what NumPy reads from `.npy` files, and writes its own versions of them and arrays that we refuse."""
import pathlib
import sys

import numpy

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.npy")):
    # An array without values cannot be mapped.
    mode = "r" if numpy.load(path).size else None
    array = numpy.load(path, mmap_mode=mode)
    aligned = "aligned" if array.flags.c_contiguous and array.flags.aligned else "misplaced"
    print(path.name, *array.shape, array.dtype, aligned, f"{array.sum(dtype=numpy.float64):.3f}")
    for version in (1, 2, 3):
        with open(path.with_suffix(f".v{version}"), "wb") as file:
            numpy.lib.format.write_array(file, numpy.array(array), version=(version, 0))

square = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
for name, array in {
    "fortran": numpy.asfortranarray(square),
    "double": square.astype(numpy.float64),
    "flat": square.ravel(),
    "cube": square.reshape(1, 2, 3),
    "big_endian": square.astype(">f4"),
}.items():
    with open(folder / f"{name}.other", "wb") as file:
        numpy.save(file, array)
