"""Library files: what sounds alike."""

from __future__ import annotations

import pathlib
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from conftest import RECORDINGS

import sleeve

TAGS = ("calm", "loud")


def circle(count: int) -> np.ndarray:
    """Vectors at equal angles, so that a track's neighbours in number are its neighbours in sound."""
    angles = np.arange(count) * 0.1
    return np.stack([np.cos(angles), np.sin(angles), np.full(count, 0.1)], axis=1).astype(np.float32)


@pytest.fixture
def library(tmp_path: pathlib.Path) -> sleeve.Library:
    """Twelve tracks by three artists; the last two are one recording."""
    vectors = circle(12)
    vectors[11] = vectors[10] * 3
    with sleeve.LibraryWriter(tmp_path / "own.library", model="mine", dim=3, tags=TAGS, root="/music") as writer:
        for number, vector in enumerate(vectors):
            activations = np.array([number / 12, 1 - number / 12])
            writer.add(
                f"/music/{number:02}.mp3",
                vector,
                seconds=100 + 10.0 * min(number, 10),
                activations=activations,
                artist=f"artist {number % 3}",
                album=f"album {number // 6}",
                title=f"title {number}",
                year=1970 + number,
            )
    return sleeve.Library(tmp_path / "own.library")


def numbers(matches: list[sleeve.Match]) -> list[int]:
    return [match.track.index for match in matches]


def test_it_is_a_sequence_of_tracks(library: sleeve.Library) -> None:
    assert len(library) == 12 and library.dim == 3 and library.tags == TAGS and library.root == "/music"
    track = library[-1]
    assert (track.path, track.seconds, track.year) == ("/music/11.mp3", 200.0, 1981)
    assert str(track) == "artist 2 - title 11" and track.audio_sha256 is None
    assert library[2:4] == [library[2], library[3]] and track in library
    assert [each.index for each in library] == list(range(12))
    assert library.index_of("03.mp3") == library.index_of("/music/03.mp3") == 3
    assert library.index_of("no.mp3") is None
    assert np.array_equal(library.vectors[:10], circle(12)[:10]) and not library.vectors.flags.writeable
    assert library.activations.shape == (12, 2) and library.patches(0).shape == (0, 3)
    assert library.origin["model"] == "mine" and "12 tracks, mine" in repr(library)
    again = pickle.loads(pickle.dumps(library))
    assert again[5] == library[5]
    with pytest.raises(IndexError):
        library[12]


def test_find_is_what_numpy_finds(library: sleeve.Library) -> None:
    vectors = library.vectors / np.linalg.norm(library.vectors, axis=1, keepdims=True)
    for precision in ("f32", "int8"):
        matches = library.find(4, 3, precision=precision)  # type: ignore[arg-type]
        order = [index for index in np.argsort(-(vectors @ vectors[4]), kind="stable") if index != 4][:3]
        assert sorted(numbers(matches)) == sorted(order)
        assert matches[0].cosine == pytest.approx(float(vectors[order[0]] @ vectors[4]), abs=1e-6)
    # Whatever names the seed.
    wanted = numbers(library.find(4))
    for seed in ("04.mp3", pathlib.Path("/music/04.mp3"), library[4], np.int64(4), [4], [(4, 2.0)]):
        assert numbers(library.find(seed)) == wanted  # type: ignore[arg-type]
    assert numbers(library.find(vectors[4]))[0] == 4
    assert 11 in numbers(library.find([0], unlike=[5], count=11)) and numbers(library.find([0], unlike=5))[0] == 1
    assert numbers(library.find([(0, 1.0), (8, 1.0)], 1)) == [4]


def test_filters_limits_and_duplicates(library: sleeve.Library) -> None:
    def found(**filters: object) -> list[int]:
        return sorted(numbers(library.find(0, 12, filter=sleeve.Filter(**filters))))  # type: ignore[arg-type]

    assert found(artist="ARTIST 1") == [1, 4, 7, 10]
    assert found(artist=["artist 1", "artist 2"], album="album 0") == [1, 2, 4, 5]
    assert found(years=1975) == [5] and found(years=(1978, None)) == [8, 9, 10, 11] and found(years=(None, 1972)) == [1, 2]
    assert found(above={"calm": 0.8}) == [10, 11] and found(below={"loud": 0.2}, without=[library[11]]) == [10]
    assert found(folder="/music") == list(range(1, 12)) and found(folder="elsewhere") == []
    assert len(library.find(0, 12, max_per_artist=2)) == 6 and len(library.find(0, 12, max_per_album=1)) == 6
    assert 11 not in numbers(library.find(10, 12, duplicates="skip"))
    [listed] = [match for match in library.find(10, 12, duplicates="list") if match.duplicate_of]
    assert listed.track.index == 11 and listed.duplicate_of == library[10]
    assert library.duplicates(cosine=0.9999) == [[library[10], library[11]]]


def test_playlists_paths_and_samples(library: sleeve.Library) -> None:
    playlist = library.playlist("00.mp3", 6, artist_gap=0)
    assert numbers(playlist) == [0, 1, 2, 3, 4, 5]
    assert numbers(library.playlist(0, 6, variety=1.0, seed=3)) == numbers(library.playlist(0, 6, variety=1.0, seed=3))
    assert numbers(library.playlist(0, 3, begin_with_seed=False, artist_gap=0)) == [1, 2, 3]
    path = library.path_between("00.mp3", library[8], 5)
    assert numbers(path) == [0, 2, 4, 6, 8] and path[0].cosine == 1
    sample = numbers(library.sample(3, seed=1))
    assert len(set(sample)) == 3 and sample == numbers(library.sample(3, seed=1))


def test_what_makes_no_sense_is_refused(library: sleeve.Library, extractor: sleeve.Extractor) -> None:
    refused: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (KeyError, "not a track", lambda: library.find("no.mp3")),
        (IndexError, "no track 12", lambda: library.find(12)),
        (IndexError, "no track -1", lambda: library.find(-1)),
        (ValueError, "needs a seed", lambda: library.find([])),
        (ValueError, r"shape \(2,\)", lambda: library.find(np.zeros(2))),
        (ValueError, "no direction", lambda: library.find(np.zeros(3))),
        (ValueError, "weight", lambda: library.find([(0, 0.0)])),
        (ValueError, "cancel", lambda: library.find(0, unlike=0)),
        (TypeError, "a seed is", lambda: library.find([1.5])),  # type: ignore[list-item]
        (TypeError, "whole number", lambda: library.find(0, count=1.5)),  # type: ignore[arg-type]
        (ValueError, "duplicates must", lambda: library.find(0, duplicates="no")),  # type: ignore[arg-type]
        (ValueError, "precision must", lambda: library.find(0, precision="f64")),  # type: ignore[arg-type]
        (ValueError, "no activation named `x`", lambda: library.find(0, filter=sleeve.Filter(above={"x": 0.1}))),
        (ValueError, "years", lambda: library.find(0, filter=sleeve.Filter(years=(1980, 1970)))),
        (ValueError, "drift", lambda: library.playlist(0, drift=2.0)),
        (ValueError, "two different", lambda: library.path_between(3, 3)),
        (ValueError, "result of embeddings", lambda: library.find(extractor.extract(RECORDINGS[2]))),
        (ValueError, "extractor", lambda: sleeve.LibraryWriter("x.library")),
        (ValueError, "not both", lambda: sleeve.LibraryWriter("x.library", extractor, model="x")),
    ]
    for kind, words, attempt in refused:
        with pytest.raises(kind, match=words):
            attempt()
    with pytest.raises(FileNotFoundError):
        sleeve.Library("no.library")
    with pytest.raises(sleeve.Error) as error:
        sleeve.Library(__file__)
    assert error.value.kind == "library"


def test_writing(folder: pathlib.Path) -> None:
    with sleeve.LibraryWriter("a.library", model="mine", dim=2) as writer:
        writer.add("a.mp3", np.array([1.0, 0.0]), seconds=1)
        with pytest.raises(sleeve.Error, match="another process"):
            sleeve.LibraryWriter.open("a.library")
        for vector in (np.zeros(2), np.ones(3), np.array([np.nan, 1.0]), np.ones((1, 2))):
            with pytest.raises(ValueError):
                writer.add("b.mp3", vector, seconds=1)
        for wrong in ({}, {"seconds": -1.0}, {"seconds": 1, "activations": np.ones(2)}):
            with pytest.raises(ValueError):
                writer.add("b.mp3", np.ones(2), **wrong)  # type: ignore[arg-type]
    library = sleeve.Library("a.library")
    assert len(library) == 1 and library.root is None
    # What raises leaves the library as it was.
    with pytest.raises(KeyError), sleeve.LibraryWriter.open("a.library") as writer:
        writer.add("b.mp3", np.ones(2), seconds=1)
        raise KeyError
    assert not library.has_changed
    with sleeve.LibraryWriter.open("a.library") as writer:
        writer.add("b.mp3", np.ones(2), seconds=1)
        writer.remove(library[0])
    assert library.has_changed and len(library) == 1
    assert [track.path for track in sleeve.Library("a.library")] == [str(folder / "b.mp3")]
    with pytest.raises(ValueError, match="ended"):
        writer.flush()


def test_results_go_in_and_find(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    music = folder / "music"
    music.mkdir()
    files = [shutil.copy(recording, music) for recording in RECORDINGS]
    results = list(extractor.extract_many(files))
    with sleeve.LibraryWriter("x.library", extractor, root=music) as writer:
        for result in results:
            assert result.source
            writer.add(result.source, result, patches=True, title=pathlib.Path(result.source).stem)
    library = sleeve.Library("x.library")
    assert [pathlib.Path(track.path).parent for track in library] == [music.resolve()] * 3
    assert len(library.tags) == 50 and library.root == str(music.resolve())
    for result in results:
        assert result.source
        track = library[library.index_of(result.source) or 0]
        assert np.allclose(library.vectors[track.index], result.mean(), atol=1e-6)
        assert np.array_equal(library.patches(track), result.embeddings) and track.seconds == result.seconds
        assert library.find(result, 1)[0].track == track and track.audio_sha256
    # Another model's results are refused.
    other = sleeve.Extractor("mtt-musicnn-1", threads=1).extract(RECORDINGS[2])
    with pytest.raises(ValueError, match="mtt-musicnn-1"):
        library.find(other)
    with pytest.raises(ValueError, match="mtt-musicnn-1"), sleeve.LibraryWriter.open("x.library") as writer:
        writer.add("z.mp3", other)
    # The program takes the library for its own: nothing is processed again.
    command = [sys.executable, "-m", "sleeve", "similar", "index", "--json", "--quiet", "x.library", str(music)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"processed":0' in run.stdout and '"unchanged":3' in run.stdout


def test_indexing_a_folder(folder: pathlib.Path) -> None:
    music = folder / "-music"
    music.mkdir()
    for recording in RECORDINGS:
        shutil.copy(recording, music)
    (music / "broken.mp3").write_bytes(b"no music")
    with pytest.warns(sleeve.SleeveWarning, match="1 files could not be processed"):
        library = sleeve.Library.index("i.library", music, threads=2)
    assert len(library) == 3 and library.origin["level"] == "none"
    assert {pathlib.Path(track.path).name for track in library} == {recording.name for recording in RECORDINGS}
    (music / "broken.mp3").unlink()
    again = sleeve.Library.index("i.library", music)
    assert [track.path for track in again] == [track.path for track in library]
    assert np.array_equal(again.vectors, library.vectors)
    with pytest.raises(sleeve.Error, match="not a bundled model"):
        sleeve.Library.index("j.library", music, model="no model")
    with pytest.raises(sleeve.Error):
        sleeve.Library.index("i.library", folder / "nowhere")


def test_tables(library: sleeve.Library) -> None:
    import polars

    table = library.to_table()
    assert list(table.columns[:4]) == ["path", "seconds", "artist", "album_artist"]
    assert table.shape == (12, 12) and table["year"].tolist()[0] == 1970
    assert np.array_equal(table["embedding"][3], library.vectors[3]) and table["tag.calm"].dtype == np.float32
    other = library.to_table(to="polars")
    assert other.schema["embedding"] == polars.Array(polars.Float32, 3) and other.shape == (12, 12)
    arrow = library.to_table(to="arrow")
    assert arrow.num_rows == 12 and arrow.column("embedding")[2].as_py() == library.vectors[2].tolist()
    with pytest.raises(ValueError, match="to must"):
        library.to_table(to="csv")  # type: ignore[call-overload]
