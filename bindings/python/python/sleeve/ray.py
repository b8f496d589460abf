"""Extraction on a cluster, as an actor for Ray Data; ``examples/ray/extract.py`` is a whole program.

>>> import ray.data
>>> from sleeve.ray import Embed
>>> found = ray.data.from_items([{"path": path} for path in paths])          # doctest: +SKIP
>>> rows = found.map_batches(Embed, concurrency=8, num_cpus=1, batch_size=8) # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ._audio import PathLike
from ._extractor import Extractor, Options
from ._result import Failure

__all__ = ["Embed"]


class Embed:
    """Maps batches with a column of paths to batches with embeddings.

    Each actor has an extractor of one thread: a cluster has one actor a core, which shares nothing with its neighbours.

    A batch has, for every path: ``path``, ``seconds``, ``patches``, ``embedding`` (the mean, float32 ``[dim]``; NaN without
    a patch or with an error), and ``error``, which is empty where there is none. Recordings that fail do not end the job.

    Args:
        model: As for :class:`sleeve.Extractor`.
        column: The column of paths, or of any address that fsspec reads (``s3://...``, if that package is installed).
        options: Further arguments of :class:`sleeve.Extractor`.
    """

    def __init__(self, model: PathLike | None = None, *, column: str = "path", options: Options | None = None) -> None:
        self.column: str = column
        chosen: Options = {"threads": 1}
        chosen.update(options or {})
        self.extractor: Extractor = Extractor(model, **chosen)

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Maps one batch of columns to another."""
        paths = [str(path) for path in batch[self.column]]
        seconds, patches, errors = np.zeros(len(paths)), np.zeros(len(paths), np.int64), [""] * len(paths)
        embeddings = np.full((len(paths), self.extractor.dim), np.nan, np.float32)
        order: list[int] = []
        for result in self.extractor.extract_many(self._opened(paths, order, errors), on_error="yield"):
            row = order[result.index]
            if isinstance(result, Failure):
                errors[row] = f"{type(result.error).__name__}: {result.error}"
                continue
            seconds[row], patches[row] = result.seconds, len(result)
            if len(result):
                embeddings[row] = result.mean()
        return {
            self.column: np.array(paths, dtype=object),
            "seconds": seconds,
            "patches": patches,
            "embedding": embeddings,
            "error": np.array(errors, dtype=object),
        }

    def _opened(self, paths: list[str], order: list[int], errors: list[str]) -> Iterator[str | bytes]:
        """What the extractor reads, and which row it is of."""
        for row, path in enumerate(paths):
            audio: str | bytes = path
            if "://" in path:
                try:
                    import fsspec

                    with fsspec.open(path, "rb") as file:
                        audio = file.read()
                except Exception as error:
                    # Every file system has errors of its own.
                    errors[row] = f"{type(error).__name__}: {error}"
                    continue
            order.append(row)
            yield audio
