"""Processes: pickling, spawn, fork, joblib, subinterpreters."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
from conftest import REPOSITORY

import sleeve

OPTIONS: dict[str, object] = {
    "head_input": "embeddings",
    "any_embedding_model": True,
    "front_end": "musicnn",
    "device": "cpu",
    "engine": "onnx",
    "precision": "f32",
    "threads": 1,
    "batch_size": 5,
    "patch_hop": 50,
    "last_patch": "repeat",
    "outputs": ["embeddings"],
    "resampler": "sinc",
    "level": "track",
    "normalise": False,
    "ffmpeg": "auto",
}


def mean(job: tuple[sleeve.Extractor, np.ndarray]) -> tuple[int, np.ndarray]:
    extractor, samples = job
    return os.getpid(), extractor.extract((samples, 44_100)).mean()


def test_all_arguments_survive_pickling(tone: np.ndarray) -> None:
    import inspect

    assert OPTIONS.keys() | {"heads", "model", "self"} == inspect.signature(sleeve.Extractor.__init__).parameters.keys()
    extractor = sleeve.Extractor("msd-musicnn-1", **OPTIONS)  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(extractor))
    assert again._arguments == extractor._arguments
    assert {name: again._arguments[1][name] for name in OPTIONS} == OPTIONS
    expected = extractor.extract((tone, 44_100))
    assert len(expected) == 1
    assert np.array_equal(again.extract((tone, 44_100)).embeddings, expected.embeddings)


def test_a_pickle_finds_its_model_from_another_folder(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY / "models")
    extractor = sleeve.Extractor("mtt-vgg-1", threads=1)
    stored = pickle.dumps(extractor)
    monkeypatch.chdir(folder)
    assert pickle.loads(stored).dim == 256


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes(extractor: sleeve.Extractor, tone: np.ndarray, method: str) -> None:
    tone = np.tile(tone, (2, 1))
    expected = extractor.extract((tone, 44_100)).mean()
    with multiprocessing.get_context(method).Pool(2) as pool:
        means = pool.map(mean, [(extractor, tone)] * 4, chunksize=1)
    assert os.getpid() not in {pid for pid, _ in means}
    assert all(np.array_equal(found, expected) for _, found in means)


def test_joblib(extractor: sleeve.Extractor, tone: np.ndarray) -> None:
    import joblib

    tone = np.tile(tone, (2, 1))
    expected = extractor.extract((tone, 44_100)).mean()
    for backend in ("loky", "threading"):
        means = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(mean)((extractor, tone)) for _ in range(3))
        assert all(np.array_equal(found, expected) for _, found in means)


def in_fork(work: str) -> str:
    """Runs Python in a process with an extractor, a stream and a run that were used, and after it in a fork."""
    code = f"""
        import itertools, os, sys, threading, numpy, sleeve
        clip = (numpy.full(60_000, 0.1, numpy.float32), 16_000)
        extractor = sleeve.Extractor(threads=2)
        stream = extractor.stream(16_000)
        run = extractor.extract_many(itertools.repeat(clip))
        sleeve.extract(clip)
        extractor.extract(clip), stream.push(clip[0]), next(run)
        child = os.fork()
        if child == 0:
            try:
                {work}
            except sleeve.Error as error:
                print(error.kind, "spawn" in str(error), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("parent", len(extractor.extract(clip)), flush=True)
        run.close()
    """
    run = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    return subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize(
    "work",
    ["extractor.extract(clip)", "list(extractor.extract_many([clip]))", "stream.push(clip[0])", "list(run)", "run.close()"],
)
def test_a_fork_is_told(work: str) -> None:
    said = in_fork(work)
    # Closing needs nothing of the parent's, and must not wait for a thread that is not there.
    assert said == ("parent 1\n" if work == "run.close()" else "forked True\nparent 1\n")


def test_a_fork_can_compute_mel_but_make_no_extractor() -> None:
    """Engines share threads of the process. Without this refusal, the child would wait for them for ever."""
    assert in_fork("print(len(sleeve.mel(*clip)), flush=True)") == "236\nparent 1\n"
    for work in ("sleeve.Extractor()", "sleeve.extract(clip)"):
        assert in_fork(work) == "forked True\nparent 1\n"


def test_a_fork_before_the_first_use_works() -> None:
    code = """
        import os, sys, numpy, sleeve
        child = os.fork()
        # In one call of the system, because both write.
        os.write(1, b"%d\\n" % len(sleeve.extract((numpy.full(60_000, 0.1), 16_000))))
        os._exit(0) if child == 0 else os.waitpid(child, 0)
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout == "1\n1\n"


def test_subinterpreters_are_refused_or_served() -> None:
    """A crash would be neither."""
    code = """
        try:
            import _interpreters as interpreters
            run = lambda number, code: interpreters.exec(number, code)
        except ImportError:
            import _xxsubinterpreters as interpreters
            run = lambda number, code: interpreters.run_string(number, code)
        import sleeve
        number = interpreters.create()
        try:
            outcome = run(number, "import sleeve")
        except interpreters.RunFailedError as error:
            outcome = error
        print("refused" if "ImportError" in str(outcome) else outcome)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "refused\n", run.stdout


def test_threads_of_a_daemon_do_not_stop_the_end() -> None:
    code = """
        import threading, time, numpy, sleeve
        extractor = sleeve.Extractor(threads=2)
        clip = (numpy.full(16_000 * 600, 0.1, numpy.float32), 16_000)
        threading.Thread(target=extractor.extract, args=[clip], daemon=True).start()
        time.sleep(0.3)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
