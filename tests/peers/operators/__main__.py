"""Writes small graphs of every operator that audio networks use, with onnxruntime's outputs.

    operators FOLDER

`cases.json` lists them, `cases.bin` holds their bytes. Each graph has one input of floats and outputs of floats.
"""

import sys
from pathlib import Path

import elementwise
import layers
import models
import shapes
from suite import Suite

suite = Suite()
for part in (elementwise, layers, models, shapes):
    part.add_to(suite)
suite.write(Path(sys.argv[1]))
models.external(Path(sys.argv[1]))
