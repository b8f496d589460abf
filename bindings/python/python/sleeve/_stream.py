"""Audio as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from . import _audio, _sleeve
from ._audio import ArrayLike
from ._logging import drain
from ._result import Outputs, Patch


class Stream:
    """Audio in pieces of any size, made by :meth:`sleeve.Extractor.stream`.

    Push arrays, and iterate over the patches that they complete; their values have the same bits as those of the whole
    recording. For one thread at a time.

    Example:
        >>> import numpy, sleeve
        >>> stream = sleeve.Extractor().stream(sample_rate=48_000, channels=2)
        >>> for _ in range(10):
        ...     for patch in stream.push(numpy.zeros((24_000, 2), numpy.float32)):
        ...         print(patch.time, patch.embedding.shape)
        0.0 (200,)
        1.488 (200,)
    """

    def __init__(self, stream: _sleeve.Stream, outputs: Outputs, channels: int) -> None:
        self._stream = stream
        self._outputs = outputs
        self._channels = channels
        self._waiting: deque[Patch] = deque()

    def push(self, samples: ArrayLike) -> Stream:
        """Takes samples, and computes the patches that they complete.

        Args:
            samples: ``[n, channels]``, ``[channels, n]``, or interleaved ``[n * channels]``; any ``n``. Types are those of
                :meth:`sleeve.Extractor.extract`.

        Returns:
            The stream itself: iterate over it to take the patches that are complete and were not taken before.

        Raises:
            TypeError: An array of a type that is not audio.
            ValueError: A shape that does not fit the channels, or integers converted to floating point.
            Error: ``non_finite`` for NaN or infinity, after which the recording is lost until :meth:`reset`; ``stream``
                after :meth:`finish`.
        """
        self._take(self._stream.push(_audio.block(samples, self._channels)))
        return self

    def finish(self) -> Stream:
        """Ends the recording, and computes its last patches. A second call does nothing. Returns the stream itself."""
        self._take(self._stream.finish())
        return self

    def reset(self) -> None:
        """Begins the next recording. Patches that were not taken are dropped."""
        self._waiting.clear()
        self._stream.reset()

    def _take(self, given: Any) -> None:
        if given is None:
            return
        drain()
        times, arrays = given
        for row, time in enumerate(times.tolist()):
            # Copies: a patch that is kept should not keep all others of its push.
            self._waiting.append(Patch(time, tuple(values[row].copy() for values in arrays), self._outputs))

    def __iter__(self) -> Iterator[Patch]:
        return self

    def __next__(self) -> Patch:
        try:
            return self._waiting.popleft()
        except IndexError:
            raise StopIteration from None

    def __len__(self) -> int:
        """The number of patches that can be taken now."""
        return len(self._waiting)

    def __bool__(self) -> bool:
        return True
