"""What is understood as audio: paths, bytes, files, and arrays of any kind."""

from __future__ import annotations

import io
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, Union

import numpy as np
import numpy.typing as npt


class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self) -> bytes: ...


class SupportsArray(Protocol):
    """What NumPy can make an array of: torch's tensors among others."""

    def __array__(self) -> npt.NDArray[Any]: ...


class SupportsDLPack(Protocol):
    """An array of another library in the memory of the CPU."""

    def __dlpack__(self) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, Any]: ...


ArrayLike: TypeAlias = Union[npt.NDArray[Any], SupportsArray, SupportsDLPack, Sequence[float], Sequence[Sequence[float]]]
PathLike: TypeAlias = Union[str, "os.PathLike[str]"]
Encoded: TypeAlias = Union[bytes, bytearray, memoryview]
Audio: TypeAlias = Union[PathLike, Encoded, Readable, ArrayLike, "tuple[ArrayLike, float]"]

Float32 = npt.NDArray[np.float32]

#: More channels than any recording has. The axis that is at most so long, beside a longer one, is that of the channels.
MAX_CHANNELS = 32


@dataclass(frozen=True)
class FromPath:
    """An audio file."""

    path: str


@dataclass(frozen=True)
class FromBytes:
    """The bytes of an audio file, and what messages call it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class FromSamples:
    """Interleaved samples, contiguous."""

    samples: Float32
    channels: int
    sample_rate: int


Source: TypeAlias = Union[FromPath, FromBytes, FromSamples]


def understand(audio: Any, sample_rate: Any = None, channel_axis: int | None = None) -> Source:
    """Sorts out what was given as audio; see :func:`sleeve.extract`."""
    if isinstance(audio, tuple) and sample_rate is None:
        if len(audio) != 2:
            raise TypeError(f"a tuple must be (samples, sample_rate), not {len(audio)} values")
        samples, sample_rate = audio
        if isinstance(samples, (int, float, np.generic)) and hasattr(sample_rate, "__len__"):
            raise ValueError(
                "the tuple is (sample_rate, samples), as SciPy's wavfile.read returns it; give (samples, sample_rate)"
            )
        return interleaved(samples, sample_rate, channel_axis)
    encoded = _encoded(audio)
    if encoded is None:
        if isinstance(audio, (list, set)) and any(isinstance(item, (str, os.PathLike)) for item in audio):
            raise TypeError("one recording at a time here; extract_many takes many")
        if sample_rate is None:
            raise TypeError(
                f"samples ({type(audio).__name__}) need their sample rate: give (samples, sample_rate); "
                "a file is given as its path, its bytes or an open file"
            )
        return interleaved(audio, sample_rate, channel_axis)
    if sample_rate is not None or channel_axis is not None:
        raise TypeError("sample_rate and channel_axis are for arrays of samples: a file says them itself")
    return encoded


def _encoded(audio: Any) -> Source | None:
    """An audio file by its path, bytes or handle; ``None`` for what can only be samples."""
    if isinstance(audio, str):
        return FromPath(audio)
    if isinstance(audio, (bytes, bytearray)):
        return FromBytes("bytes", bytes(audio))
    if isinstance(audio, memoryview):
        return FromBytes("bytes", audio.tobytes())
    if isinstance(audio, np.ndarray):
        return None
    if isinstance(audio, os.PathLike):
        path = os.fspath(audio)
        return FromPath(path if isinstance(path, str) else os.fsdecode(path))
    if isinstance(audio, io.TextIOBase):
        raise TypeError("the file is open for reading text: open it with mode 'rb'")
    if hasattr(audio, "read"):
        data = audio.read()
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"read() of {type(audio).__name__} gives {type(data).__name__}, not bytes")
        name = getattr(audio, "name", None)
        return FromBytes(name if isinstance(name, str) else "file", bytes(data))
    return None


def rate(sample_rate: Any) -> int:
    """A whole number of hertz."""
    try:
        return _fits(operator.index(sample_rate))
    except TypeError:
        pass
    try:
        number = float(sample_rate)
    except (TypeError, ValueError):
        raise TypeError(f"the sample rate must be a number in Hz, not {type(sample_rate).__name__}") from None
    if not number.is_integer():
        raise ValueError(f"the sample rate must be a whole number of Hz, not {number}")
    return _fits(int(number))


def _fits(sample_rate: int) -> int:
    # The library says the same, but of what fits 32 bits.
    if not 1_000 <= sample_rate <= 768_000:
        raise ValueError(f"sample rate {sample_rate} Hz: it must be 1000 to 768000")
    return sample_rate


def array(samples: Any) -> npt.NDArray[Any]:
    """An array of numbers, without a copy where that can be avoided."""
    if isinstance(samples, np.ndarray):
        values = samples
    else:
        try:
            if hasattr(samples, "__dlpack__") and not hasattr(samples, "__array__"):
                values = np.from_dlpack(samples)
            else:
                values = np.asarray(samples)
        except (TypeError, ValueError, RuntimeError, BufferError) as error:
            # Such as that of a tensor on a GPU, or one that needs its gradient.
            raise TypeError(f"{type(samples).__name__} is not an array of samples: {error}") from error
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError("samples in a masked array: fill() it, for there is no audio without a value")
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 4 and values.dtype.kind in "iu":
        raise TypeError(
            f"samples of dtype {values.dtype}: they must be floating point with full scale 1, or integers of 8, 16 or "
            "32 bits"
        )
    return values


def to_float32(values: npt.NDArray[Any]) -> Float32:
    """Full scale becomes 1: integers are divided by theirs. No copy of contiguous float32."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "f":
        # Beyond float32 is infinite, which is refused with its position.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.ascontiguousarray(values, dtype=np.float32)
    if kind == "u":
        if size != 1:
            raise TypeError(f"samples of dtype {values.dtype}: of unsigned integers only 8 bits are audio (128 is silence)")
        return np.ascontiguousarray(np.subtract(values, 128, dtype=np.float32) / np.float32(128))
    if size == 4:
        # As decoders do: 32 bits do not fit the 24 of a float32, so the quotient is rounded once.
        return np.ascontiguousarray(np.divide(values, 2.0**31, dtype=np.float64).astype(np.float32))
    return np.ascontiguousarray(np.divide(values, 2.0 ** (8 * size - 1), dtype=np.float32))


def channel_last(values: npt.NDArray[Any], channel_axis: int | None) -> npt.NDArray[Any]:
    """The array as ``[n, channels]``, or ``[n]`` as it is."""
    shape = values.shape
    if values.ndim == 1:
        if channel_axis is not None:
            raise ValueError("channel_axis: samples of one dimension have no channels")
        return values
    if values.ndim != 2:
        raise ValueError(f"samples of shape {shape}: they must be [n], [channels, n] or [n, channels]")
    if channel_axis is None:
        narrow = [0 < length <= MAX_CHANNELS for length in shape]
        if narrow == [True, False]:
            channel_axis = 0
        elif narrow == [False, True] or shape == (1, 1):
            channel_axis = 1
        else:
            raise ValueError(
                f"samples of shape {shape}: it is not clear which axis is that of the channels; give channel_axis=0 for "
                "[channels, n] or channel_axis=1 for [n, channels]"
            )
    try:
        channel_axis = range(2)[operator.index(channel_axis)]
    except IndexError:
        raise ValueError(f"channel_axis {channel_axis} of an array of two dimensions") from None
    values = values if channel_axis == 1 else values.T
    if not 1 <= values.shape[1] <= 65_535:
        raise ValueError(f"samples of shape {shape}: {values.shape[1]} channels")
    return values


def interleaved(samples: Any, sample_rate: Any, channel_axis: int | None = None) -> FromSamples:
    """Samples as the library takes them."""
    hertz = rate(sample_rate)
    values = channel_last(array(samples), channel_axis)
    channels = values.shape[1] if values.ndim == 2 else 1
    flat = to_float32(values).reshape(-1)
    return FromSamples(flat, channels, hertz)


def block(samples: Any, channels: int) -> Float32:
    """A piece of a stream whose number of channels is known."""
    values = array(samples)
    if values.ndim == 2:
        rows, columns = values.shape
        if rows == channels == columns and channels > 1:
            raise ValueError(f"a block of shape {values.shape}: give [n, channels] with another n, or interleaved samples")
        if columns != channels:
            if rows != channels:
                raise ValueError(f"a block of shape {values.shape} for a stream of {channels} channels")
            values = values.T
    elif values.ndim != 1:
        raise ValueError(f"a block of shape {values.shape}: it must be [n], [n, channels] or [channels, n]")
    return to_float32(values).reshape(-1)


def label(audio: Any) -> Any:
    """What a result calls its source: the path, or ``None`` for what has no name."""
    if isinstance(audio, (str, os.PathLike)):
        path = os.fspath(audio)
        return path if isinstance(path, str) else os.fsdecode(path)
    name = getattr(audio, "name", None)
    return name if isinstance(name, str) and hasattr(audio, "read") else None
