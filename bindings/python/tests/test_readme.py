"""The README's lines, word for word, and the types."""

from __future__ import annotations

import doctest
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types
from typing import Any

import pytest
from conftest import RECORDINGS, REPOSITORY

import sleeve


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.filterwarnings("ignore:progress=True needs tqdm")
@pytest.mark.parametrize("file", ["bindings/python/README.md", "README.md"])
def test_the_readme_runs(file: str, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (REPOSITORY / file).read_text()
    code = [block for block in blocks(text, "python") if "import sleeve_essentia" not in block]
    assert code, file
    shutil.copy(RECORDINGS[1], folder / "song.mp3")
    shutil.copy(RECORDINGS[0], folder / "other.mp3")
    # The blocks go on from one another, as in a session.
    names: dict[str, Any] = {}
    for block in code:
        exec(compile(block, file, "exec"), names)
    printed = capsys.readouterr().out
    if "no such file.mp3" in text:
        assert "no such file.mp3" in printed and "0.0 s (200,)" in printed
        assert [len(result) for result in names["results"]] == [29] and names["mel"].shape[1] == 64
        assert names["table"]["source"].tolist() == ["song.mp3"]
        assert names["neighbours"].named_steps["nearestneighbors"].n_samples_fit_ == 2


def test_the_first_lines_of_the_readme_print_what_they_say() -> None:
    text = (REPOSITORY / "bindings/python/README.md").read_text()
    [said] = re.findall(r"result\.tags\.top\(3\) +# (.*)", text)
    top = sleeve.extract(RECORDINGS[0]).tags.top(3)
    assert [(name, round(value, 2)) for name, value in top] == eval(said)


@pytest.mark.filterwarnings("ignore")
def test_the_examples_in_docstrings() -> None:
    import importlib

    modules: list[types.ModuleType] = [sleeve]
    modules += [importlib.import_module(f"sleeve.{name}") for name in ("_extractor", "_stream", "_result", "sklearn")]
    attempted = sum(doctest.testmod(module, raise_on_error=True).attempted for module in modules)
    assert attempted >= 8


def test_everything_public_is_documented() -> None:
    for name in sleeve.__all__:
        thing = getattr(sleeve, name)
        if name not in ("Audio", "__version__"):
            assert thing.__doc__, name
        if isinstance(thing, type):
            for part, value in vars(thing).items():
                if not part.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert value.__doc__, f"{name}.{part}"


TYPED = '''
import pathlib
from collections.abc import Iterator
import numpy as np
import numpy.typing as npt
import sleeve
from sleeve.ray import Embed
from typing_extensions import assert_type

extractor = sleeve.Extractor(pathlib.Path("x.onnx"), heads=["mood"], threads=2, device="auto", level="none")
result = extractor.extract("song.mp3")
assert_type(result, sleeve.Result)
assert_type(result.embeddings, npt.NDArray[np.float32])
assert_type(result.times, npt.NDArray[np.float64])
assert_type(result.tags.top(5), list[tuple[str, float]])
extractor.extract((np.zeros(3, np.int16), 44_100))
extractor.extract(np.zeros(3), sample_rate=44_100)
extractor.extract(b"bytes")
with open("song.mp3", "rb") as file:
    extractor.extract(file)
for each in extractor.extract_many(["a", pathlib.Path("b"), (np.zeros(3), 8_000)], progress=True):
    assert_type(each, sleeve.Result)
for outcome in extractor.extract_many(["a"], on_error="yield"):
    if isinstance(outcome, sleeve.Failure):
        assert_type(outcome.error, Exception)
    else:
        assert_type(outcome.mean(), npt.NDArray[np.float32])
stream = extractor.stream(sample_rate=48_000, channels=2)
for patch in stream.push(np.zeros((3, 2))):
    assert_type(patch.embedding, npt.NDArray[np.float32])
assert_type(sleeve.mel(np.zeros(3), 44_100), npt.NDArray[np.float32])
'''

MISTAKEN = '''
import sleeve
extractor = sleeve.Extractor("x.onnx", thread=2)
sleeve.extract(3.5)
extractor.extract_many(["a"], on_error="ignore")
'''


def checked(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    # Pyright takes the packages of the first Python on the PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=dict(os.environ, PATH=path))


def test_mypy_strict(folder: pathlib.Path) -> None:
    (folder / "typed.py").write_text(TYPED)
    (folder / "mistaken.py").write_text(MISTAKEN)
    mypy = [sys.executable, "-m", "mypy", "--strict"]
    run = checked([*mypy, "typed.py"], folder)
    assert run.returncode == 0, run.stdout
    assert "Found 3 errors" in checked([*mypy, "mistaken.py"], folder).stdout
    package = pathlib.Path(sleeve.__file__).parent
    run = checked([*mypy, "--ignore-missing-imports", "-p", "sleeve"], folder)
    assert run.returncode == 0, (package, run.stdout)


def test_pyright(folder: pathlib.Path) -> None:
    (folder / "typed.py").write_text(TYPED)
    (folder / "mistaken.py").write_text(MISTAKEN)
    pyright = [sys.executable, "-m", "pyright"]
    run = checked([*pyright, "typed.py"], folder)
    assert run.returncode == 0, run.stdout
    assert "4 errors" in checked([*pyright, "mistaken.py"], folder).stdout
    # Every public name has a type, but for what scikit-learn, which has none, makes of its subclass.
    run = checked([*pyright, "--ignoreexternal", "--verifytypes", "sleeve", "--outputjson"], folder)
    report = json.loads(run.stdout)["typeCompleteness"]
    lacking = {symbol["name"] for symbol in report["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]}
    assert lacking <= {"sleeve.sklearn.Embedder"}, lacking
    assert report["completenessScore"] > 0.95
    assert os.path.exists(pathlib.Path(sleeve.__file__).parent / "py.typed")
