"""Many recordings: order, errors, bounds, Ctrl-C."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import numpy as np
import pytest
from conftest import RECORDINGS

import sleeve


def clips(count: int) -> list[np.ndarray]:
    """Noise of 0 to 8 seconds at 16 kHz, most of it longer than a patch."""
    random = np.random.default_rng(1)
    return [random.uniform(-0.5, 0.5, int(random.uniform(0, 128_000))).astype(np.float32) for _ in range(count)]


@pytest.mark.filterwarnings("ignore:.*shorter than a patch")
@pytest.mark.parametrize("ordered", [True, False])
def test_every_recording_has_its_own_rows(extractor: sleeve.Extractor, ordered: bool) -> None:
    signals = clips(30)
    results = list(extractor.extract_many(((clip, 16_000) for clip in signals), ordered=ordered))
    if ordered:
        assert [result.index for result in results] == list(range(30))
    assert sorted(result.index for result in results) == list(range(30))
    for result in results:
        expected = extractor.extract((signals[result.index], 16_000))
        assert np.array_equal(result.embeddings, expected.embeddings)
        assert np.array_equal(result.predictions, expected.predictions)
        assert np.array_equal(result.times, expected.times)
        assert result.warnings == expected.warnings and result.seconds == expected.seconds


def test_files_bytes_and_arrays_together(extractor: sleeve.Extractor) -> None:
    expected = extractor.extract(RECORDINGS[2])
    with RECORDINGS[2].open("rb") as file:
        mixed = [str(RECORDINGS[2]), RECORDINGS[2], RECORDINGS[2].read_bytes(), file, (np.zeros(60_000), 16_000)]
        results = list(extractor.extract_many(mixed, threads=3))
    assert [result.source for result in results] == [str(RECORDINGS[2])] * 2 + [None, str(RECORDINGS[2]), None]
    for result in results[:4]:
        assert np.array_equal(result.embeddings, expected.embeddings)


def test_a_path_that_is_not_utf_8(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    path = os.fsdecode(b"m\xfcsik.ogg")
    shutil.copy(RECORDINGS[2], path)
    [alone, *many] = [extractor.extract(path), *extractor.extract_many([path, pathlib.Path(path)])]
    assert [result.source for result in many] == [path, path] and len(alone) == 16
    for to in ("pandas", "polars", "arrow"):
        table = sleeve.to_table(many, to=to)  # type: ignore[call-overload]
        assert "m\\udcfcsik.ogg" in str(table["source"][0])


def test_errors_are_raised_yielded_or_left_out(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    (folder / "text.mp3").write_text("no music")
    good = (np.full(60_000, 0.1, np.float32), 16_000)
    inputs = [good, "missing.mp3", good, "text.mp3", np.zeros(5), (np.array([np.nan]), 16_000), good]
    outcomes = list(extractor.extract_many(inputs, on_error="yield"))  # type: ignore[arg-type]
    assert [outcome.ok for outcome in outcomes] == [True, False, True, False, False, False, True]
    assert [outcome.index for outcome in outcomes] == list(range(7))
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds[1:6:2] == [FileNotFoundError, sleeve.Error, sleeve.Error] and kinds[4] is TypeError
    assert outcomes[3].source == "text.mp3"
    with pytest.raises(FileNotFoundError):
        list(extractor.extract_many(inputs))  # type: ignore[arg-type]
    with pytest.warns(sleeve.SleeveWarning, match="left out") as said:
        assert len(list(extractor.extract_many(inputs, on_error="skip"))) == 3  # type: ignore[arg-type]
    assert len(said) == 4
    with pytest.raises(ValueError, match="on_error"):
        extractor.extract_many([], on_error="ignore")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="many recordings"):
        extractor.extract_many("song.mp3")
    assert list(extractor.extract_many([])) == []


def test_an_error_of_the_iterable_comes_through(extractor: sleeve.Extractor) -> None:
    def inputs() -> Iterator[tuple[np.ndarray, int]]:
        for _ in range(3):
            yield np.full(60_000, 0.1, np.float32), 16_000
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        for _ in extractor.extract_many(inputs()):
            pass


@pytest.mark.parametrize("ordered", [True, False])
def test_an_endless_list_is_read_as_it_is_needed(extractor: sleeve.Extractor, ordered: bool) -> None:
    read = itertools.count()
    taken = 0

    def endless() -> Iterator[tuple[np.ndarray, int]]:
        while True:
            next(read)
            yield np.full(48_000, 0.1, np.float32), 16_000

    results = extractor.extract_many(endless(), ordered=ordered)
    for _ in results:
        taken += 1
        if taken == 20:
            break
        if taken == 10:
            # A consumer that does something else holds everything up, and nothing piles up.
            time.sleep(0.5)
    results.close()  # type: ignore[attr-defined]
    # Queues on both sides, four inputs a thread, and those in batches.
    assert next(read) - taken < 100


def test_a_slow_iterable_holds_nothing_back(extractor: sleeve.Extractor) -> None:
    """Results are there before the next input is: the iterable waits for them."""
    arrived: list[int] = []

    def inputs() -> Iterator[tuple[np.ndarray, int]]:
        for number in range(3):
            yield np.full(48_000, 0.1, np.float32), 16_000
            time.sleep(0.3)
            arrived.append(number)

    seen = [len(arrived) for _ in extractor.extract_many(inputs())]
    assert len(seen) == 3 and seen[0] <= 1


def test_progress(extractor: sleeve.Extractor, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = [(np.full(48_000, 0.1, np.float32), 16_000)] * 5 + ["missing.mp3"]
    calls: list[tuple[int, int, float]] = []
    list(extractor.extract_many(inputs, on_error="yield", progress=lambda *now: calls.append(now)))  # type: ignore[arg-type]
    assert calls == [(number, 0, 3.0 * number) for number in range(1, 6)] + [(5, 1, 15.0)]
    list(extractor.extract_many(inputs, on_error="yield", progress=True))  # type: ignore[arg-type]
    assert "6/6" in capsys.readouterr().err


def test_ctrl_c_ends_it_in_good_order() -> None:
    code = """
        import itertools, sys, threading, numpy, sleeve
        extractor = sleeve.Extractor(threads=2)
        clip = (numpy.full(160_000, 0.1, numpy.float32), 16_000)
        try:
            for result in extractor.extract_many(itertools.repeat(clip)):
                if result.index == 2:
                    print("going", flush=True)
        except KeyboardInterrupt:
            # The threads have ended, and the extractor goes on working.
            print("stopped", len(extractor.extract(clip)), threading.active_count(), flush=True)
            sys.exit(7)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("stopped 5 1\n", 7)
    assert time.monotonic() - started < 30


def test_ctrl_c_ends_one_long_recording() -> None:
    code = """
        import numpy, sleeve
        extractor = sleeve.Extractor(threads=1)
        hours = numpy.full(16_000 * 3_600 * 3, 0.1, numpy.float32)
        print("going", flush=True)
        try:
            extractor.extract(hours, 16_000)
        except KeyboardInterrupt:
            print("stopped", flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "going\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == "stopped\n"


def test_an_iterator_that_is_left_alone_ends_with_the_interpreter() -> None:
    code = """
        import itertools, numpy, sleeve
        clip = (numpy.full(160_000, 0.1, numpy.float32), 16_000)
        results = sleeve.Extractor(threads=2).extract_many(itertools.repeat(clip))
        print(len(next(results)))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("5\n", "", 0)
