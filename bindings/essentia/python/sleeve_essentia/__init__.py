# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sleeve's algorithms in Essentia: music embeddings and tags, without TensorFlow.

    import sleeve_essentia
    from essentia.standard import MonoLoader, SleevePredict

    audio = MonoLoader(filename="song.mp3", sampleRate=16000, resampleQuality=4)()
    tags = SleevePredict(model="msd-musicnn-1")(audio)

Importing this package adds SleeveInputMusiCNN, SleevePredict and SleevePredict2D to `essentia.standard` and
`essentia.streaming`, of the package `essentia` or `essentia-tensorflow`. Each has a docstring. If the plugin was not
built for the installed Essentia, the import fails with the reason.
"""

from ._load import ALGORITHMS, load as _load

__version__ = "0.2.0"
__all__ = ["ALGORITHMS"]

_load()
