"""Memory does not grow: of ten thousand calls, and of a list of recordings."""

from __future__ import annotations

import gc
import pathlib
import pickle
import warnings

import numpy as np
import pytest

import sleeve


def resident() -> int:
    """Bytes of this process in memory."""
    import ctypes
    import resource

    gc.collect()
    # What the allocator keeps for later is no leak.
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_ten_thousand_calls_leak_nothing(extractor: sleeve.Extractor, recording: pathlib.Path) -> None:
    warnings.simplefilter("ignore")
    data = recording.read_bytes()[:200]
    short, wrong = np.full((2, 600), 0.1, np.float32), np.array([np.nan], np.float32)
    stream = extractor.stream(16_000)
    block = np.full(4_000, 0.1, np.float32)

    def calls(count: int) -> None:
        for number in range(count):
            extractor.extract(short, 16_000)
            sleeve.mel(short, 44_100)
            for bad in (data, "missing.mp3", (wrong, 16_000)):
                with pytest.raises((sleeve.Error, OSError)):
                    extractor.extract(bad)
            stream.push(block[: number % 50])
            if number % 500 == 0:
                list(stream.push(block))
                stream.reset()
                list(extractor.extract_many([(short, 16_000)] * 3))
                pickle.loads(pickle.dumps(sleeve.Error("x", "audio")))

    calls(300)
    before = resident()
    calls(1_700)
    # A kilobyte a call would be 10 MB: six calls in each round.
    assert resident() - before < 3_000_000


def test_a_long_list_takes_the_memory_of_a_short_one(extractor: sleeve.Extractor) -> None:
    def run(count: int) -> int:
        most = 0
        clip = np.full(48_000, 0.1, np.float32)
        for result in extractor.extract_many((clip, 16_000) for _ in range(count)):
            assert len(result) == 1
            most = max(most, resident()) if result.index % 20 == 0 else most
        return most

    short = run(20)
    assert run(160) - short < 12_000_000
