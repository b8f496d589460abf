"""Writes small graphs of every operator that audio networks use, with onnxruntime's outputs.

    operators FOLDER [SEED COUNT]

With a seed, so many cases are drawn, in place of those that are listed.
`cases.json` lists them, `cases.bin` holds their bytes. Each graph has one input of floats and outputs of floats.
"""

import sys
from pathlib import Path

import drawn
import elementwise
import layers
import models
import shapes
from suite import Suite

folder, *draw = sys.argv[1:]
suite = Suite()
if draw:
    drawn.add_to(suite, *map(int, draw))
    suite.write(Path(folder))
else:
    for part in (elementwise, layers, models, shapes):
        part.add_to(suite)
    suite.write(Path(folder))
    models.external(Path(folder))
