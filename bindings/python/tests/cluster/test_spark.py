"""The Spark example under local PySpark."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.dataset
import pytest

import sleeve

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
AUDIO = REPOSITORY / "examples" / "audio"


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java")
def test_map_in_pandas(tmp_path: pathlib.Path) -> None:
    music, vectors = tmp_path / "music", tmp_path / "vectors"
    music.mkdir()
    for name in ("ground.ogg", "sky.ogg"):
        shutil.copy(AUDIO / name, music / name)
    (music / "text.mp3").write_text("no music")
    example = REPOSITORY / "examples" / "spark" / "extract.py"
    command = [sys.executable, str(example), str(music), str(vectors)]
    environment = dict(os.environ, PYSPARK_PYTHON=sys.executable)
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr
    table = pyarrow.dataset.dataset([str(path) for path in vectors.glob("*.parquet")]).to_table().to_pandas()
    table = table.set_index("path")
    assert sorted(table.index) == sorted(str(path) for path in music.iterdir())
    assert table["error"][str(music / "text.mp3")].startswith("Error: ")
    for name in ("ground.ogg", "sky.ogg"):
        row, expected = table.loc[str(music / name)], sleeve.extract(AUDIO / name)
        assert row["patches"] == len(expected)
        assert np.array_equal(np.array(row["embedding"], np.float32), expected.mean())
