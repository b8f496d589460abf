"""What was found in a recording."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ._errors import Error, SleeveWarning

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Output:
    """The description of an output of a model or head.

    Attributes:
        model: The name of the model or head.
        tensor: The name of the tensor in its graph.
        purpose: What it is for, by the metadata.
        dim: Values per patch.
        labels: The names of the values; empty if the metadata do not name them.
        meaning: What the values are: ``labels`` (each of its own), ``classes`` (one of several), ``quantities``,
            ``tempo``, ``tempo classes``, ``pitch``, ``pitch bins``, or ``values`` where nobody says.
        from_head: Whether it is an output of a head.
    """

    model: str
    tensor: str
    purpose: Literal["embeddings", "predictions", "other"]
    dim: int
    labels: tuple[str, ...]
    meaning: str
    from_head: bool


class Outputs(tuple[Output, ...]):
    """The outputs of an extractor, in order."""

    def index_of(self, purpose: Literal["embeddings", "predictions"]) -> int:
        """Embeddings are the model's own, never a head's; predictions are those of the last head."""
        found = [index for index, output in enumerate(self) if output.purpose == purpose]
        if purpose == "embeddings":
            found = [index for index in found if not self[index].from_head][:1]
        if not found:
            has = ", ".join(f"{output.tensor} of {output.model} ({output.purpose})" for output in self)
            raise Error(f"there are no {purpose}; the outputs are {has}", "no_output")
        return found[-1]


class Level(NamedTuple):
    """The loudness of a recording, and what was done about it."""

    lufs: float
    """Integrated loudness of the recording as it is, in LUFS (EBU R 128)."""
    gain_db: float
    """The gain that was applied, in dB: what is missing to -14 LUFS."""


class Tags:
    """Activations of named classes.

    Attributes:
        labels: The names, in the order of the columns.
        values: float32 ``[patches, len(labels)]``. Mostly activations between 0 and 1.
    """

    __slots__ = ("labels", "values")

    def __init__(self, labels: Sequence[str], values: Float32) -> None:
        self.labels: tuple[str, ...] = tuple(labels)
        self.values: Float32 = values

    def mean(self) -> Float32:
        """The mean over all patches: float32 ``[len(labels)]``.

        Raises:
            Error: ``no_output`` for a recording shorter than a patch: nothing is the mean of nothing.
        """
        return _mean(self.values)

    def top(self, count: int = 10) -> list[tuple[str, float]]:
        """The tags with the largest means, the largest first; of equals the first. Empty for a recording without a patch.

        Example:
            >>> import sleeve
            >>> sleeve.extract("song.mp3").tags.top(2)  # doctest: +SKIP
            [('electronic', 0.61), ('electro', 0.36)]
        """
        if count < 0:
            raise ValueError(f"the number of tags must not be negative: {count}")
        if not len(self.values):
            return []
        mean = self.mean()
        order = np.argsort(-mean, kind="stable")[:count]
        return [(self.labels[index], float(mean[index])) for index in order]

    def to_dict(self) -> dict[str, float]:
        """The mean of every tag by its name."""
        return {label: float(value) for label, value in zip(self.labels, self.mean(), strict=True)}

    def __getitem__(self, label: str) -> Float32:
        """The values of one tag: float32 ``[patches]``."""
        try:
            return self.values[:, self.labels.index(label)]
        except ValueError:
            raise KeyError(label) from None

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __contains__(self, label: object) -> bool:
        return label in self.labels

    def __repr__(self) -> str:
        best = ", ".join(f"{label} {value:.2f}" for label, value in self.top(3))
        return f"Tags({len(self.values)} patches of {len(self)}: {best}, ...)"


@dataclass(frozen=True, repr=False)
class Result:
    """What a model says about a recording, patch by patch.

    A recording shorter than a patch has none: its arrays have 0 rows, and a warning says so.

    Attributes:
        source: The path, or the ``name`` of the file object; ``None`` for samples and bytes.
        times: The start of each patch in seconds: float64 ``[patches]``.
        arrays: The values of every output, float32 ``[patches, dim]``, in the order of ``outputs``.
        outputs: What the outputs are.
        seconds: The length of the decoded recording.
        format: Its format, such as ``MP3`` or ``Vorbis in Ogg``; ``samples`` for arrays.
        sample_rate: Its own sample rate in Hz.
        channels: Its own number of channels.
        level: Its loudness and the gain that was applied, with ``level="track"``; else ``None``.
        warnings: What may not be as it was meant: a truncated file, a wrong header, no patch.
        index: Its position among the inputs of :meth:`sleeve.Extractor.extract_many`; else 0.
    """

    source: str | None
    times: Float64
    arrays: tuple[Float32, ...]
    outputs: Outputs
    seconds: float
    format: str
    sample_rate: int
    channels: int
    level: Level | None
    warnings: tuple[str, ...]
    index: int = 0

    ok: ClassVar[Literal[True]] = True
    """Whether the recording was analysed, in contrast to a :class:`Failure`."""
    error: ClassVar[None] = None
    """There is none."""

    def __len__(self) -> int:
        """The number of patches."""
        return len(self.times)

    def __bool__(self) -> bool:
        # By its length, an empty result would be false.
        return True

    @property
    def embeddings(self) -> Float32:
        """The model's embeddings: float32 ``[patches, dim]``.

        Raises:
            Error: ``no_output`` if the model has none or they were not selected.
        """
        return self.arrays[self.outputs.index_of("embeddings")]

    @property
    def predictions(self) -> Float32:
        """The predictions of the last head, or of the model without one: float32 ``[patches, dim]``.

        Raises:
            Error: ``no_output`` if there are none.
        """
        return self.arrays[self.outputs.index_of("predictions")]

    @property
    def tags(self) -> Tags:
        """The predictions with their names.

        Raises:
            Error: ``no_output`` if there are none, or the metadata do not name them.
        """
        index = self.outputs.index_of("predictions")
        output = self.outputs[index]
        if not output.labels:
            raise Error(f"the metadata of {output.model} do not name its predictions", "no_output")
        return Tags(output.labels, self.arrays[index])

    def mean(self) -> Float32:
        """The mean of the embeddings over all patches: float32 ``[dim]``.

        Raises:
            Error: ``no_output`` without embeddings, or for a recording shorter than a patch.
        """
        return _mean(self.embeddings)

    def __getitem__(self, output: str) -> Float32:
        """The values of one output, by the name of its tensor, or of its model or head: float32 ``[patches, dim]``."""
        for wanted in ("tensor", "model"):
            found = [index for index, about in enumerate(self.outputs) if getattr(about, wanted) == output]
            if len(found) == 1:
                return self.arrays[found[0]]
        raise KeyError(output)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{about.purpose} {list(values.shape)}" for about, values in zip(self.outputs, self.arrays))
        return f"Result({self.source!r}, {self.seconds:.1f} s, {shapes})"

    def __eq__(self, other: object) -> bool:
        # Arrays have no single answer to whether they are equal.
        return self is other

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True)
class Failure:
    """A recording that could not be analysed, from ``extract_many(..., on_error="yield")``.

    Attributes:
        source: As that of a :class:`Result`.
        error: The exception that :meth:`sleeve.Extractor.extract` would have raised.
        index: Its position among the inputs.
    """

    source: str | None
    error: Exception
    index: int = 0

    ok: ClassVar[Literal[False]] = False
    """Whether the recording was analysed."""


@dataclass(frozen=True, repr=False, eq=False)
class Patch:
    """What a model says about one patch of a stream.

    Attributes:
        time: The start of the patch in seconds since the stream, or its last reset, began.
        arrays: The values of every output, float32 ``[dim]``, in the order of ``outputs``.
        outputs: What the outputs are.
    """

    time: float
    arrays: tuple[Float32, ...]
    outputs: Outputs = field(repr=False)

    @property
    def embedding(self) -> Float32:
        """The model's embedding: float32 ``[dim]``.

        Raises:
            Error: ``no_output`` if the model has none or they were not selected.
        """
        return self.arrays[self.outputs.index_of("embeddings")]

    @property
    def tags(self) -> Tags:
        """The predictions with their names, one row of them.

        Raises:
            Error: ``no_output`` if there are none, or the metadata do not name them.
        """
        index = self.outputs.index_of("predictions")
        output = self.outputs[index]
        if not output.labels:
            raise Error(f"the metadata of {output.model} do not name its predictions", "no_output")
        return Tags(output.labels, self.arrays[index][np.newaxis])

    def __repr__(self) -> str:
        return f"Patch({self.time:.3f} s, {', '.join(str(list(values.shape)) for values in self.arrays)})"


def _mean(values: Float32) -> Float32:
    if not len(values):
        raise Error("the recording is shorter than a patch, so there is nothing to take the mean of", "no_output")
    # In double precision, for the sum of hours in single would lose digits.
    mean: Float32 = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


_SHORT = "is shorter than a patch ({seconds:.2f} s, of {patch:.2f} s), so there are no rows"


def build(
    parts: Any,
    outputs: Outputs,
    source: str | None,
    index: int,
    patch_seconds: float,
) -> Result:
    """A result of the compiled half's parts."""
    times, arrays, (seconds, form, sample_rate, channels, level, said) = parts
    if not len(times):
        said = [*said, _SHORT.format(seconds=seconds, patch=patch_seconds)]
    return Result(
        source=source,
        times=times,
        arrays=tuple(arrays),
        outputs=outputs,
        seconds=seconds,
        format=form,
        sample_rate=sample_rate,
        channels=channels,
        level=None if level is None else Level(*level),
        warnings=tuple(said),
        index=index,
    )


def warn(said: Sequence[str], about: str | None, stacklevel: int) -> None:
    """Warns of each; Python's own filters show one once for each line of code."""
    for words in said:
        _warnings.warn(f"{about or 'the recording'}: {words}", SleeveWarning, stacklevel=stacklevel + 1)
