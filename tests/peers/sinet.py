"""What TensorflowPredictFSDSINet gives its network for the samples of FILE.f32, as FILE.npy `[patches, 101 * 96]`.

Patches are 50 frames apart. The network is a graph that returns its input. Needs the package essentia-tensorflow.
"""
import pathlib
import struct
import sys

import numpy


def varint(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, *parts):
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


def attribute(name, *value):
    return message(5, message(1, name), message(2, *value))


def node(name, operation, inputs, *attributes):
    return message(1, message(1, name), message(2, operation), *(message(3, each) for each in inputs), *attributes)


def graph():
    """A GraphDef: placeholder `x`, flattened to rows of a patch as `y`."""
    real, integer = number(6, 1), number(6, 3)
    shape = message(
        8, number(1, 3), message(2, message(2, number(1, 2))), message(4, struct.pack("<ii", -1, 101 * 96))
    )
    return (
        node("x", "Placeholder", [], attribute("dtype", real))
        + node("shape", "Const", [], attribute("dtype", integer), attribute("value", shape))
        + node("y", "Reshape", ["x", "shape"], attribute("T", real), attribute("Tshape", integer))
        + message(4, number(1, 27))
    )


path = pathlib.Path(sys.argv[1])
path.with_suffix(".pb").write_bytes(graph())

import essentia

essentia.log.infoActive = False
essentia.log.warningActive = False
from essentia.standard import TensorflowPredictFSDSINet

predict = TensorflowPredictFSDSINet(
    graphFilename=str(path.with_suffix(".pb")), input="x", output="y", patchHopSize=50
)
samples = numpy.fromfile(path, dtype=numpy.float32)
numpy.save(path.with_suffix(".npy"), numpy.array(predict(samples), dtype=numpy.float32))
