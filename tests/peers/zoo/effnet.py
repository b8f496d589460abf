"""EfficientNet-B0 as TensorFlow's conversion writes it: make_effnet.py's, with the outputs of the published files."""

import argparse
import tempfile
from pathlib import Path

import make_effnet
import numpy as np

from . import sounds
from .graph import LEAST_SPREAD, run

PATCHES = 6


class Effnet:
    """Has what make_zoo.py asks of a `graph.Graph`. `batch`: fixed to 64 or 1; `None` is any."""

    def __init__(self, name, seed, batch, tail):
        self.label, self.fixed = name, batch
        self.patches = sounds.patches("musicnn", 128, PATCHES)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "patches.npy"
            np.save(file, self.patches)
            arguments = argparse.Namespace(style="tensorflow", seed=seed, patches=file, mutate=None, batch=batch)
            self.builder = make_effnet.Builder(arguments)
            self.builder.input = ("serving_default_melspectrogram", [batch or "batch_size", 128, 96])
            self.embeddings = make_effnet.tensorflow_features(self.builder)
        self.outputs = [(self.embeddings, 1280)]
        features = self.run()
        if tail == "projection":
            first, dim = self.dense(self.embeddings, features, 512), 512
        else:
            hidden = self.builder.node("Relu", [self.dense(self.embeddings, features, 512)])
            self.outputs = [(hidden, 512)]
            logits = self.dense(hidden, self.run(), 400)
            first, dim = self.builder.node("Sigmoid", [logits]), 400
        self.outputs = [(first, dim), (self.embeddings, 1280)]

    def run(self):
        """The first output's values for the patches."""
        model = make_effnet.finished(self.builder, self.outputs[:1], ["probed"])
        name, feed = model.graph.input[0].name, self.feed()
        step = self.fixed or len(feed)
        return np.concatenate([run(model, {name: feed[i : i + step]})[0] for i in range(0, len(feed), step)])[:PATCHES]

    def dense(self, x, values, units):
        """A dense layer whose units spread over the values, which are those of `x`."""
        b = self.builder
        weight = b.random.standard_normal((values.shape[1], units)) / np.sqrt(values.shape[1])
        z = values.astype(np.float64) @ weight
        factor = b.random.uniform(0.8, 1.6, units) / np.maximum(z.std(0), LEAST_SPREAD * np.abs(z).mean())
        shift = b.random.normal(0, 0.3, units) - z.mean(0) * factor
        y = b.node("MatMul", [x, b.constant((weight * factor).astype(np.float32))])
        return b.node("Add", [y, b.constant(shift.astype(np.float32))])

    def model(self):
        return make_effnet.finished(self.builder, self.outputs, ["PartitionedCall:0", "PartitionedCall:1"])

    def feed(self):
        return np.resize(self.patches, (64, 128, 96)) if self.fixed == 64 else self.patches

    def distinct(self):
        return PATCHES
