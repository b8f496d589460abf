"""The Ray example on a real cluster of two workers: the rows of one process, whoever is killed."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pyarrow.dataset
import pyarrow.parquet
import pytest

import sleeve

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
AUDIO = REPOSITORY / "examples" / "audio"
EXAMPLE = REPOSITORY / "examples" / "ray" / "extract.py"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two machines with a core each, and a head without any."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def music(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "music"
    (folder / "below").mkdir(parents=True)
    for number in range(16):
        for name in ("ground.ogg", "sky.ogg"):
            shutil.copy(AUDIO / name, folder / "below" / f"{number}-{name}")
    (folder / "text.mp3").write_text("no music")
    (folder / "notes.txt").write_text("not listed")
    return folder


def start(cluster: str, music: pathlib.Path, vectors: pathlib.Path) -> subprocess.Popen[str]:
    """The example, in a process of its own."""
    command = [sys.executable, str(EXAMPLE), str(music), str(vectors), "--batch", "4"]
    return subprocess.Popen(command, env=dict(os.environ, RAY_ADDRESS=cluster), stdout=subprocess.PIPE, text=True)


def parquet(vectors: pathlib.Path) -> list[str]:
    return [str(path) for path in vectors.glob("*.parquet")] if vectors.exists() else []


def actors() -> list[int]:
    """The processes of actors that are computing."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::MapWorker") and b"submit" in command:
            found.append(int(entry.name))
    return found


def whole_rows(path: str) -> int:
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except pyarrow.ArrowInvalid:
        return 0


def wait_for(what: str, condition: object) -> None:
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


def check(music: pathlib.Path, vectors: pathlib.Path) -> None:
    """The rows are those of one process: none is lost, none is doubled, none is different."""
    table = pyarrow.dataset.dataset(parquet(vectors)).to_table().to_pandas()
    expected = {}
    extractor = sleeve.Extractor(threads=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        paths = sorted(str(path) for path in music.rglob("*.*") if path.suffix != ".txt")
        for result in extractor.extract_many(paths, on_error="yield"):
            expected[result.source] = result
    assert sorted(table["path"]) == paths
    for row in table.itertuples():
        result = expected[row.path]
        if isinstance(result, sleeve.Failure):
            assert row.error == f"{type(result.error).__name__}: {result.error}"
            assert np.isnan(np.array(row.embedding)).all()
        else:
            assert (row.seconds, row.patches, row.error) == (result.seconds, len(result), "")
            assert np.array_equal(np.array(row.embedding, np.float32), result.mean())


def test_an_actor_is_killed_and_nothing_is_lost_or_doubled(
    cluster: str, music: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    vectors = tmp_path / "vectors"
    example = start(cluster, music, vectors)
    wait_for("rows", lambda: parquet(vectors))
    wait_for("actor", actors)
    os.kill(actors()[0], signal.SIGKILL)
    out, _ = example.communicate(timeout=300)
    assert example.returncode == 0 and "33 recordings" in out
    check(music, vectors)
    # Once more: nothing is left to do.
    again = start(cluster, music, vectors)
    assert "0 recordings" in again.communicate(timeout=120)[0] and again.returncode == 0
    check(music, vectors)


def test_a_killed_job_goes_on_from_what_is_there(cluster: str, music: pathlib.Path, tmp_path: pathlib.Path) -> None:
    vectors = tmp_path / "vectors"
    example = start(cluster, music, vectors)
    wait_for("rows", lambda: len(parquet(vectors)) >= 2)
    example.kill()
    example.communicate()
    wait_for("end of the job's actors", lambda: not actors())
    # What was being written at that moment is not whole, and counts for nothing.
    (vectors / "cut.parquet").write_bytes(pathlib.Path(parquet(vectors)[0]).read_bytes()[:-4])
    before = sum(whole_rows(path) for path in parquet(vectors))
    assert 4 <= before < 33
    again = start(cluster, music, vectors)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0 and f"{33 - before} recordings" in out
    check(music, vectors)


def test_addresses_of_other_file_systems() -> None:
    import fsspec

    from sleeve.ray import Embed

    data = (AUDIO / "sky.ogg").read_bytes()
    with fsspec.open("memory://music/sky.ogg", "wb") as file:
        file.write(data)
    paths = np.array(["memory://music/missing.ogg", "memory://music/sky.ogg", str(AUDIO / "sky.ogg")], dtype=object)
    rows = Embed(options={"threads": 2})({"path": paths})
    assert rows["path"].tolist() == paths.tolist()
    assert rows["error"][0].startswith("FileNotFoundError") and rows["error"][1:].tolist() == ["", ""]
    expected = sleeve.extract(AUDIO / "sky.ogg").mean()
    assert np.array_equal(rows["embedding"][1], expected) and np.array_equal(rows["embedding"][2], expected)
