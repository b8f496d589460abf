"""Results as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from ._result import Failure, Result

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Per = Literal["recording", "patch"]


@overload
def to_table(
    results: Iterable[Result | Failure], *, per: Per = ..., to: Literal["pandas"] = ...
) -> pandas.DataFrame: ...
@overload
def to_table(results: Iterable[Result | Failure], *, per: Per = ..., to: Literal["polars"]) -> polars.DataFrame: ...
@overload
def to_table(results: Iterable[Result | Failure], *, per: Per = ..., to: Literal["arrow"]) -> pyarrow.Table: ...


def to_table(
    results: Iterable[Result | Failure],
    *,
    per: Per = "recording",
    to: Literal["pandas", "polars", "arrow"] = "pandas",
) -> Any:
    """A table of results, for pandas, Polars, or (as an Arrow table) Parquet.

    With ``per="recording"`` a row is a recording: ``source``, ``seconds``, ``patches``, ``embedding`` (the mean, float32
    ``[dim]``), ``error``, and a float32 column ``tag.<name>`` for the mean of each tag. With ``per="patch"`` a row is a
    patch: ``source``, ``patch``, ``time`` in seconds, ``embedding`` and the tags; what failed or is shorter than a patch
    has no row. A recording that failed, or is shorter than a patch, has no embedding (null) and no tags (null).

    Args:
        results: Of one extractor, such as ``extractor.extract_many(paths, on_error="yield")``.
        per: ``recording`` or ``patch``.
        to: ``pandas``, ``polars`` or ``arrow``. To write Parquet, give ``arrow`` to ``pyarrow.parquet.write_table``, or use
            the methods of the other two.

    Raises:
        ImportError: What ``to`` names is not installed.
        ValueError: The results have outputs that differ, or ``per`` or ``to`` is unknown.
    """
    if per not in ("recording", "patch"):
        raise ValueError(f"per must be 'recording' or 'patch', not {per!r}")
    if to not in ("pandas", "polars", "arrow"):
        raise ValueError(f"to must be 'pandas', 'polars' or 'arrow', not {to!r}")
    columns = _Columns(per == "recording")
    for result in results:
        columns.add(result)
    return {"pandas": columns.pandas, "polars": columns.polars, "arrow": columns.arrow}[to]()


class _Columns:
    """The columns of a table. Vectors are rows of one array, with a flag for those that are there."""

    def __init__(self, by_recording: bool) -> None:
        self.by_recording = by_recording
        names = ("source", "seconds", "patches") if by_recording else ("source", "patch", "time")
        self.plain: dict[str, list[Any]] = {name: [] for name in names}
        self.errors: list[str | None] = []
        self.embeddings: list[Any] = []
        self.tags: list[Any] = []
        self.shape: tuple[int | None, tuple[str, ...]] | None = None

    def add(self, result: Result | Failure) -> None:
        if isinstance(result, Failure):
            if self.by_recording:
                self._row(result.source, None, None, f"{type(result.error).__name__}: {result.error}", None, None)
            return
        purposes = {output.purpose for output in result.outputs}
        embeddings = result.embeddings if "embeddings" in purposes else None
        tags = None
        if "predictions" in purposes and result.outputs[result.outputs.index_of("predictions")].labels:
            tags = result.tags
        shape = (None if embeddings is None else embeddings.shape[1], () if tags is None else tags.labels)
        if self.shape is None:
            self.shape = shape
        elif self.shape != shape:
            raise ValueError("the results have different outputs: make a table for each extractor")
        if self.by_recording:
            there = len(result) > 0
            mean = result.mean() if there and embeddings is not None else None
            of_tags = tags.mean() if there and tags is not None else None
            self._row(result.source, result.seconds, len(result), None, mean, of_tags)
            return
        for row, time in enumerate(result.times.tolist()):
            embedding = None if embeddings is None else embeddings[row]
            self._row(result.source, row, time, None, embedding, None if tags is None else tags.values[row])

    def _row(self, source: str | None, second: Any, third: Any, error: str | None, embedding: Any, tags: Any) -> None:
        if source is not None:
            # A path that is not UTF-8 has bytes that no table holds.
            source = source.encode("utf-8", "backslashreplace").decode()
        for column, value in zip(self.plain.values(), (source, second, third), strict=True):
            column.append(value)
        self.errors.append(error)
        self.embeddings.append(embedding)
        self.tags.append(tags)

    def _tag_columns(self) -> dict[str, Any]:
        labels = self.shape[1] if self.shape else ()
        missing = np.full(len(labels), np.nan, np.float32)
        rows = np.array([missing if tags is None else tags for tags in self.tags], np.float32)
        rows = rows.reshape(len(self.tags), len(labels))
        return {f"tag.{label}": rows[:, column] for column, label in enumerate(labels)}

    def pandas(self) -> Any:
        import pandas

        integers = "patches" if self.by_recording else "patch"
        columns: dict[str, Any] = {
            name: pandas.array(values, dtype="Int64") if name == integers else values
            for name, values in self.plain.items()
        }
        if self.shape is None or self.shape[0] is not None:
            embeddings = np.empty(len(self.embeddings), dtype=object)
            embeddings[:] = self.embeddings
            columns["embedding"] = embeddings
        if self.by_recording:
            columns["error"] = pandas.array(self.errors, dtype=object)
        columns |= self._tag_columns()
        return pandas.DataFrame(columns)

    def arrow(self) -> Any:
        import pyarrow

        types = [pyarrow.string(), pyarrow.float64(), pyarrow.int64()]
        if not self.by_recording:
            types[1:] = [pyarrow.int64(), pyarrow.float64()]
        arrays: dict[str, Any] = {
            name: pyarrow.array(values, kind) for (name, values), kind in zip(self.plain.items(), types, strict=True)
        }
        dim = self.shape[0] if self.shape else None
        if dim is not None:
            there = np.array([embedding is not None for embedding in self.embeddings], bool)
            flat = np.zeros((len(self.embeddings), dim), np.float32)
            for row, embedding in enumerate(self.embeddings):
                if embedding is not None:
                    flat[row] = embedding
            arrays["embedding"] = pyarrow.FixedSizeListArray.from_arrays(
                pyarrow.array(flat.reshape(-1)), dim, mask=pyarrow.array(~there)
            )
        if self.by_recording:
            arrays["error"] = pyarrow.array(self.errors, pyarrow.string())
        missing = np.array([tags is None for tags in self.tags], bool)
        for name, values in self._tag_columns().items():
            arrays[name] = pyarrow.array(values, pyarrow.float32(), mask=missing)
        return pyarrow.table(arrays)

    def polars(self) -> Any:
        import polars

        kinds = [polars.String, polars.Float64, polars.Int64]
        if not self.by_recording:
            kinds[1:] = [polars.Int64, polars.Float64]
        columns = [
            polars.Series(name, values, kind, strict=False)
            for (name, values), kind in zip(self.plain.items(), kinds, strict=True)
        ]
        dim = self.shape[0] if self.shape else None
        if dim is not None:
            rows = [None if embedding is None else embedding.tolist() for embedding in self.embeddings]
            columns.append(polars.Series("embedding", rows, polars.Array(polars.Float32, dim)))
        if self.by_recording:
            columns.append(polars.Series("error", self.errors, polars.String))
        for name, values in self._tag_columns().items():
            column = [None if tags is None else value for tags, value in zip(self.tags, values.tolist(), strict=True)]
            columns.append(polars.Series(name, column, polars.Float32))
        return polars.DataFrame(columns)
