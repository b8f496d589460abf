"""Arrays of every kind: what is understood is right, and what is not is refused."""

from __future__ import annotations

import array
import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sleeve
from sleeve import _audio


def reference(samples: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """What the library should be given, written slowly: float32 ``[n, channels]``."""
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    elif channel_axis == 0:
        samples = samples.T
    n, channels = samples.shape
    out = np.zeros((n, channels), np.float32)
    for frame in range(n):
        for channel in range(channels):
            value = samples[frame, channel]
            if samples.dtype.kind == "i":
                value = float(value) / 2 ** (8 * samples.dtype.itemsize - 1)
            elif samples.dtype.kind == "u":
                value = (float(value) - 128) / 128
            out[frame, channel] = np.float32(value)
    return out


DTYPES = ["f2", "f4", "f8", ">f4", ">f8", "i1", "i2", "i4", ">i2", ">i4", "u1", "g"]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, int | None, int | None]:
    """An array, the axis of its channels, and what the caller says about that."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    channels = draw(st.integers(1, 4))
    n = draw(st.integers(0, 60))
    axis = draw(st.sampled_from([None, 0, 1]))
    shape = (n,) if axis is None else (channels, n) if axis == 0 else (n, channels)
    # Room for any stride in any direction.
    steps = [draw(st.sampled_from([1, 2, 3, -1, -2])) for _ in shape]
    room = [abs(step) * max(length, 1) for step, length in zip(steps, shape)]
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        base = random.integers(bounds.min, bounds.max, room, endpoint=True, dtype=dtype.newbyteorder("=")).astype(dtype)
    else:
        base = random.uniform(-1.5, 1.5, room).astype(dtype)
    if draw(st.booleans()):
        base = np.asfortranarray(base)
    samples = base[tuple(slice(None, None, step) for step in steps)][tuple(slice(0, length) for length in shape)]
    assert samples.shape == shape
    if draw(st.booleans()):
        samples = samples.view()
        samples.flags.writeable = False
    return samples, axis, axis


@settings(max_examples=400, deadline=None)
@given(arrays())
def test_any_dtype_order_and_stride(case: tuple[np.ndarray, int | None, int | None]) -> None:
    samples, axis, said = case
    before = samples.copy()
    taken = _audio.interleaved(samples, 44_100, said)
    expected = reference(samples, axis)
    assert taken.samples.dtype == np.float32 and taken.samples.flags.c_contiguous
    assert taken.channels == expected.shape[1]
    assert np.array_equal(taken.samples.reshape(expected.shape), expected)
    assert np.array_equal(samples, before)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 70), st.integers(0, 70))
def test_shapes_are_understood_or_named(rows: int, columns: int) -> None:
    samples = np.zeros((rows, columns), np.float32)
    few = [0 < length <= _audio.MAX_CHANNELS for length in samples.shape]
    if sum(few) == 1:
        taken = _audio.interleaved(samples, 16_000)
        assert taken.channels == (rows if few[0] else columns)
    elif samples.shape == (1, 1):
        assert _audio.interleaved(samples, 16_000).channels == 1
    else:
        with pytest.raises(ValueError) as caught:
            _audio.interleaved(samples, 16_000)
        assert str(samples.shape) in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=40))
def test_any_float_is_computed_or_refused(values: list[float]) -> None:
    samples = np.array(values, np.float32)
    finite = np.isfinite(samples).all()
    if finite and (np.abs(samples) <= 16).all():
        assert np.isfinite(sleeve.mel(samples, 16_000)).all()
    else:
        with pytest.raises((sleeve.Error, ValueError)) as caught:
            sleeve.mel(samples, 16_000)
        if not finite:
            assert isinstance(caught.value, sleeve.Error) and caught.value.kind == "non_finite"


def test_no_copy_where_none_is_needed(tone: np.ndarray) -> None:
    for samples in (tone[:, 0].copy(), tone, tone.T, np.asfortranarray(tone.T)):
        assert np.shares_memory(_audio.interleaved(samples, 16_000).samples, samples), samples.strides
    assert not np.shares_memory(_audio.interleaved(tone[::2], 16_000).samples, tone)


def test_all_ways_give_the_same_rows(extractor: sleeve.Extractor, tone: np.ndarray) -> None:
    expected = extractor.extract((tone, 16_000)).embeddings
    ways = [
        (tone.T, 16_000),
        (tone.astype(np.float64), 16_000.0),
        (np.asfortranarray(tone), np.int64(16_000)),
        (tone[::-1][::-1], 16_000),
        (tone.tolist(), 16_000),
        (tone.astype(">f4"), np.float32(16_000)),
    ]
    for audio in ways:
        assert np.array_equal(extractor.extract(audio).embeddings, expected)  # type: ignore[arg-type]
    assert np.array_equal(extractor.extract(tone, 16_000, channel_axis=-1).embeddings, expected)
    mono = tone.mean(axis=1)
    assert np.allclose(extractor.extract(mono, 16_000).embeddings, expected, atol=1e-3)


class Duck:
    """What other packages' arrays offer."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values


class WithArray(Duck):
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.values


class WithDLPack(Duck):
    def __dlpack__(self, **options: object) -> object:
        return self.values.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class OnAnotherDevice(Duck):
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def test_other_libraries_arrays(extractor: sleeve.Extractor, tone: np.ndarray) -> None:
    expected = extractor.extract((tone, 16_000)).embeddings
    for duck in (WithArray(tone), WithDLPack(tone)):
        assert np.array_equal(extractor.extract((duck, 16_000)).embeddings, expected)  # type: ignore[arg-type]
    floats = array.array("f", tone[:, 0].tolist())
    assert extractor.extract((floats, 16_000)).embeddings.shape == expected.shape
    shorts = (ctypes.c_int16 * 60_000)()
    assert extractor.extract((shorts, 16_000)).embeddings.shape == (1, 200)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="OnAnotherDevice.*cuda:0"):
        extractor.extract((OnAnotherDevice(tone), 16_000))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "sample_rate", "error", "words"),
    [
        (np.zeros(100, bool), 16_000, TypeError, "dtype bool"),
        (np.zeros(100, complex), 16_000, TypeError, "dtype complex128"),
        (np.zeros(100, np.int64), 16_000, TypeError, "dtype int64"),
        (np.zeros(100, np.uint16), 16_000, TypeError, "dtype uint16"),
        (np.array(["a"]), 16_000, TypeError, "dtype <U1"),
        (np.array([None]), 16_000, TypeError, "dtype object"),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), 16_000, TypeError, "masked"),
        (np.zeros(()), 16_000, ValueError, "shape ()"),
        (np.zeros((2, 3, 4)), 16_000, ValueError, "(2, 3, 4)"),
        (np.zeros((20, 30)), 16_000, ValueError, "(20, 30)"),
        (np.zeros((900, 900)), 16_000, ValueError, "(900, 900)"),
        (np.zeros((0, 0)), 16_000, ValueError, "(0, 0)"),
        (np.zeros(100), 0, ValueError, "1000 to 768000"),
        (np.zeros(100), -16_000, ValueError, "1000 to 768000"),
        (np.zeros(100), 2**40, ValueError, "1000 to 768000"),
        (np.zeros(100), 44_100.5, ValueError, "whole number"),
        (np.zeros(100), float("nan"), ValueError, "whole number"),
        (np.zeros(100), "16k", TypeError, "str"),
        (np.zeros(100), [16_000, 1], TypeError, "list"),
        (np.full(100, 20_000.0), 16_000, ValueError, "Divide 16-bit samples by 32768"),
        (16_000, np.zeros(100), ValueError, "(sample_rate, samples)"),
        (np.array([0, 1, np.nan]), 16_000, sleeve.Error, "sample 2 is NaN"),
        (np.array([0, np.inf, 1]), 16_000, sleeve.Error, "sample 1 is inf"),
        (np.array([0, 1e300]), 16_000, sleeve.Error, "sample 1 is inf"),
    ],
)
def test_what_is_refused(
    extractor: sleeve.Extractor, samples: object, sample_rate: object, error: type[Exception], words: str
) -> None:
    for call in (extractor.extract, extractor.mel):
        with pytest.raises(error) as caught:
            call((samples, sample_rate))  # type: ignore[operator]
        assert words in str(caught.value)


def test_ambiguity_is_resolved_by_the_caller(extractor: sleeve.Extractor) -> None:
    square = np.zeros((30, 30), np.float32)
    for axis in (0, 1, -1):
        assert _audio.interleaved(square, 16_000, axis).channels == 30
    for wrong in (2, -3):
        with pytest.raises(ValueError, match="channel_axis"):
            _audio.interleaved(square, 16_000, wrong)
    with pytest.raises(ValueError, match="no channels"):
        extractor.extract(np.zeros(10), 16_000, channel_axis=0)
