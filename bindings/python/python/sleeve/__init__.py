"""Music embeddings and tags: audio in, NumPy out, with nothing else to install.

>>> import sleeve
>>> result = sleeve.extract("song.mp3")     # doctest: +SKIP
>>> result.embeddings.shape                 # doctest: +SKIP
(18, 200)
>>> result.tags.top(2)                      # doctest: +SKIP
[('electronic', 0.61), ('electro', 0.36)]

:func:`extract` takes one recording, :class:`Extractor` any model and any number of recordings, :func:`mel` computes the
front ends alone, :class:`Library` says what sounds alike, and :func:`to_table` makes tables of results. ``sleeve.sklearn``
and ``sleeve.ray`` have what stands in pipelines of scikit-learn and Ray Data.
"""

from __future__ import annotations

from . import _sleeve
from ._audio import Audio
from ._errors import Error, SleeveWarning
from ._extractor import Extractor, Options, extract, find_torch, mel
from ._library import Filter, Library, LibraryWriter, Match, Track
from ._result import Failure, Level, Output, Outputs, Patch, Result, Tags
from ._stream import Stream
from ._table import to_table

__version__: str = _sleeve.__version__

__all__ = [
    "Audio",
    "Error",
    "Extractor",
    "Failure",
    "Filter",
    "Level",
    "Library",
    "LibraryWriter",
    "Match",
    "Options",
    "Output",
    "Outputs",
    "Patch",
    "Result",
    "SleeveWarning",
    "Stream",
    "Tags",
    "Track",
    "__version__",
    "devices",
    "extract",
    "mel",
    "models",
    "to_table",
]


def models() -> list[str]:
    """The names of the bundled models, the default first."""
    return _sleeve.bundled_models()


def devices() -> dict[str, str]:
    """The devices that models can run on, by name: ``{"cpu": "CPU, AVX-512"}``."""
    find_torch(required=False)
    return dict(_sleeve.devices())
