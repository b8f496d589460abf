"""Embeddings in a Pipeline of scikit-learn.

>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> from sleeve.sklearn import Embedder
>>> pipeline = make_pipeline(Embedder(), LogisticRegression())
>>> pipeline.fit(paths, styles)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._audio import Audio, PathLike
from ._errors import Error
from ._extractor import Extractor
from ._result import Failure, Result

__all__ = ["Embedder"]


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc,unused-ignore]
    """Recordings to the means of their embeddings.

    ``X`` is a sequence of recordings: paths, bytes, open files, or tuples ``(samples, sample_rate)``; with ``sample_rate``
    also a sequence of arrays of mono samples, or one array ``[recordings, n]``. There is nothing to learn: ``fit`` loads the
    model.

    Args:
        model: As for :class:`sleeve.Extractor`.
        heads, head_input, any_embedding_model, front_end, device, engine, precision, threads, batch_size, patch_hop,
            last_patch, resampler, level, normalise, ffmpeg: As for :class:`sleeve.Extractor`.
        sample_rate: The sample rate in Hz of arrays that come without one.
        on_error: ``raise``, or ``nan`` for a row of NaN in place of a recording that fails or is shorter than a patch.

    Attributes:
        extractor_: The extractor.
        n_features_out_: The length of an embedding.
    """

    def __init__(
        self,
        model: PathLike | None = None,
        *,
        heads: Sequence[PathLike] = (),
        head_input: str | None = None,
        any_embedding_model: bool = False,
        front_end: str | None = None,
        device: str = "auto",
        engine: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        batch_size: int | None = None,
        patch_hop: int | None = None,
        last_patch: str = "discard",
        resampler: str = "linear",
        level: str = "none",
        normalise: bool = True,
        ffmpeg: PathLike = "never",
        sample_rate: float | None = None,
        on_error: str = "raise",
    ) -> None:
        self.model = model
        self.heads = heads
        self.head_input = head_input
        self.any_embedding_model = any_embedding_model
        self.front_end = front_end
        self.device = device
        self.engine = engine
        self.precision = precision
        self.threads = threads
        self.batch_size = batch_size
        self.patch_hop = patch_hop
        self.last_patch = last_patch
        self.resampler = resampler
        self.level = level
        self.normalise = normalise
        self.ffmpeg = ffmpeg
        self.sample_rate = sample_rate
        self.on_error = on_error

    def fit(self, X: Iterable[Audio], y: Any = None) -> Embedder:
        """Loads the model. ``X`` and ``y`` are not looked at."""
        if hasattr(X, "toarray"):
            raise TypeError("X is a sparse matrix, which no sequence of recordings is")
        if self.on_error not in ("raise", "nan"):
            raise ValueError(f"on_error must be 'raise' or 'nan', not {self.on_error!r}")
        options = self.get_params(deep=False)
        for own in ("sample_rate", "on_error"):
            del options[own]
        self.extractor_: Extractor = Extractor(**options)
        self.n_features_out_: int = self.extractor_.dim
        return self

    def transform(self, X: Iterable[Audio]) -> npt.NDArray[np.float32]:
        """The mean embedding of each recording: float32 ``[recordings, dim]``.

        Raises:
            What :meth:`sleeve.Extractor.extract` raises, with ``on_error="raise"``.
        """
        check_is_fitted(self)
        rows = [self._row(result) for result in self.extractor_.extract_many(self._inputs(X), on_error="yield")]
        return np.stack(rows) if rows else np.empty((0, self.n_features_out_), np.float32)

    def _inputs(self, X: Iterable[Audio]) -> Iterable[Audio]:
        for audio in X:
            given = isinstance(audio, np.ndarray) or not isinstance(audio, tuple) and hasattr(audio, "__array__")
            if given and self.sample_rate is not None:
                yield (audio, self.sample_rate)  # type: ignore[misc]
            else:
                yield audio

    def _row(self, result: Result | Failure) -> npt.NDArray[np.float32]:
        error: Exception
        if isinstance(result, Failure):
            error = result.error
        elif len(result):
            return result.mean()
        else:
            about = result.source or f"recording {result.index}"
            error = Error(f"{about}: {result.warnings[-1]}", "no_output")
        if self.on_error == "raise":
            raise error
        return np.full(self.n_features_out_, np.nan, np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """``embedding0``, ``embedding1``, ..."""
        check_is_fitted(self)
        return np.array([f"embedding{index}" for index in range(self.n_features_out_)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.no_validation = True
        # Embeddings are float32, whatever the samples are.
        tags.transformer_tags.preserves_dtype = []
        return tags
