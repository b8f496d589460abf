"""One recording: values, kinds of input, errors."""

from __future__ import annotations

import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import AUDIO, REPOSITORY, write_wav

import sleeve


def test_the_package_is_the_installed_wheel() -> None:
    assert "site-packages" in sleeve.__file__
    assert not pathlib.Path(sleeve.__file__).is_relative_to(REPOSITORY / "bindings")


def test_values_are_those_of_the_command_line(recording: pathlib.Path, folder: pathlib.Path) -> None:
    run = [sys.executable, "-m", "sleeve", "extract", str(recording), "--output", "out", "--quiet"]
    subprocess.run([*run, "--model", "msd-musicnn-1"], check=True)
    result = sleeve.extract(recording)
    [embeddings] = folder.glob("out/*embeddings.npy")
    [predictions] = folder.glob("out/*predictions.npy")
    assert np.array_equal(np.load(embeddings), result.embeddings)
    assert np.array_equal(np.load(predictions), result.predictions)


def test_the_golden_tags(recording: pathlib.Path) -> None:
    golden = json.loads((REPOSITORY / "tests/data/golden/musicnn_tags.json").read_text())
    expected = golden["sky.ogg"]["MSD_musicnn"]
    found = sleeve.extract(recording).tags.to_dict()
    assert found.keys() == expected.keys()
    assert max(abs(found[tag] - value) for tag, value in expected.items()) < 0.005


def test_every_way_to_give_a_file(extractor: sleeve.Extractor, recording: pathlib.Path) -> None:
    expected = extractor.extract(recording)
    data = recording.read_bytes()
    with recording.open("rb") as file:
        given = [str(recording), data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        for audio in given:
            result = extractor.extract(audio)
            assert np.array_equal(result.embeddings, expected.embeddings), type(audio)
            assert result.seconds == expected.seconds
    assert (expected.source, extractor.extract(data).source) == (str(recording), None)
    assert (expected.format, expected.sample_rate, expected.channels) == ("Vorbis in Ogg", 44_100, 1)


def test_what_a_result_has(extractor: sleeve.Extractor, recording: pathlib.Path) -> None:
    result = extractor.extract(recording)
    patches = len(result)
    assert patches == 16
    assert result.embeddings.shape == (patches, 200) and result.embeddings.dtype == np.float32
    assert result.times.shape == (patches,) and np.allclose(np.diff(result.times), extractor.hop_seconds)
    assert result.mean().shape == (200,) and result.mean().dtype == np.float32
    assert np.allclose(result.mean(), result.embeddings.mean(axis=0), atol=1e-6)
    top = result.tags.top(5)
    assert [value for _, value in top] == sorted((value for _, value in top), reverse=True)
    assert len(top) == 5 and all(label in extractor.labels for label, _ in top)
    assert np.array_equal(result.tags["rock"], result.predictions[:, extractor.labels.index("rock")])
    assert result.tags.values.shape == (patches, 50) and "rock" in result.tags
    with pytest.raises(KeyError):
        result.tags["no such tag"]
    # Outputs own their memory and can be written to.
    for values in (result.times, *result.arrays):
        assert values.flags.owndata and values.flags.writeable and values.flags.c_contiguous
    again = pickle.loads(pickle.dumps(result))
    assert np.array_equal(again.embeddings, result.embeddings) and again.tags.top(5) == top


def test_several_threads_share_one_extractor(extractor: sleeve.Extractor, recording: pathlib.Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    expected = extractor.extract(recording).embeddings
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: extractor.extract(recording), range(8)))
    assert all(np.array_equal(result.embeddings, expected) for result in results)


def test_the_gil_is_released(extractor: sleeve.Extractor, tone: np.ndarray) -> None:
    import threading

    counted, going = [0], threading.Event()

    def count() -> None:
        going.set()
        while going.is_set():
            counted[0] += 1

    long = np.tile(tone, (8, 1))
    thread = threading.Thread(target=count)
    thread.start()
    going.wait()
    before = counted[0]
    extractor.extract((long, 16_000))
    during = counted[0] - before
    going.clear()
    thread.join()
    # Held throughout, the other thread would count nothing but what a switch or two of threads let it.
    assert during > 100_000


def test_missing_files_are_missing(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        extractor.extract("no such file.mp3")
    assert caught.value.filename == "no such file.mp3" and "no such file.mp3" in str(caught.value)
    with pytest.raises(sleeve.Error, match="is a directory"):
        extractor.extract(folder)
    with pytest.raises(FileNotFoundError):
        sleeve.Extractor("no/such/model.onnx")


def test_what_is_no_audio_is_said(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    path = folder / "text.mp3"
    path.write_text("this is no music at all" * 100)
    with pytest.raises(sleeve.Error) as caught:
        extractor.extract(path)
    assert caught.value.kind == "audio" and "text.mp3" in str(caught.value)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (copied.kind, str(copied)) == ("audio", str(caught.value))
    with pytest.raises(sleeve.Error, match="<bytes>"):
        extractor.extract(b"nothing")
    with path.open() as file, pytest.raises(TypeError, match="mode 'rb'"):
        extractor.extract(file)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sample rate"):
        extractor.extract(np.zeros(10))
    with pytest.raises(TypeError, match="sample rate"):
        extractor.extract(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="extract_many"):
        extractor.extract([path])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="a file says them itself"):
        extractor.extract(path, 44_100)


def test_options_are_checked() -> None:
    for wrong in (
        {"device": "gpu"},
        {"engine": "tensorflow"},
        {"precision": "f64"},
        {"resampler": "best"},
        {"level": "album"},
        {"last_patch": "keep"},
        {"front_end": "none"},
        {"batch_size": 0},
        {"batch_size": 5000},
        {"patch_hop": 0},
        {"threads": 5000},
        {"threads": -1},
        {"ffmpeg": ""},
    ):
        with pytest.raises(ValueError):
            sleeve.Extractor(**wrong)  # type: ignore[arg-type]
    for mistaken in ({"threads": 1.5}, {"threads": True}, {"batch_size": "4"}):
        with pytest.raises(TypeError):
            sleeve.Extractor(**mistaken)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected"):
        sleeve.Extractor(thread=1)  # type: ignore[call-arg]
    with pytest.raises(sleeve.Error) as caught:
        sleeve.Extractor(heads=["msd-musicnn-1"])
    assert caught.value.kind == "model" and "not a head" in str(caught.value)


def test_cuda_without_its_package_says_what_to_install() -> None:
    with pytest.raises(sleeve.Error) as caught:
        sleeve.Extractor(device="cuda")
    assert caught.value.kind == "unavailable" and "pip install sleeve-torch" in str(caught.value)


def test_options_have_their_effect(extractor: sleeve.Extractor, recording: pathlib.Path) -> None:
    plain = extractor.extract(recording)
    hop = sleeve.Extractor(patch_hop=187, outputs="embeddings").extract(recording)
    assert len(hop) < len(plain) and len(hop.outputs) == 1
    with pytest.raises(sleeve.Error) as caught:
        hop.predictions
    assert caught.value.kind == "no_output"
    level = sleeve.Extractor(level="track").extract(recording)
    assert level.level is not None and plain.level is None
    assert level.level.gain_db == pytest.approx(-14 - level.level.lufs, abs=1e-3)
    assert not np.array_equal(level.embeddings, plain.embeddings)
    for same in (sleeve.Extractor(threads=1), sleeve.Extractor(batch_size=3), sleeve.Extractor(engine="fused")):
        assert np.array_equal(same.extract(recording).embeddings, plain.embeddings)
    other = sleeve.Extractor(engine="onnx").extract(recording)
    assert np.allclose(other.embeddings, plain.embeddings, rtol=0, atol=1e-4)
    repeated = sleeve.Extractor(last_patch="repeat").extract((np.full(20_000, 0.1), 16_000))
    assert len(repeated) == 1


def test_a_head_and_a_model_of_ones_own(recording: pathlib.Path) -> None:
    models = REPOSITORY / "models"
    own = sleeve.Extractor(models / "mtt-vgg-1.onnx", threads=1)
    assert own.dim == 256 and len(own.labels) == 50
    assert own.extract(recording).embeddings.shape[1] == 256
    assert own.metadata["inference"]["algorithm"] == "TensorflowPredictMusiCNN" and len(own.sha256) == 64
    graphs = REPOSITORY / "tests/data/graphs"
    with pytest.raises(sleeve.Error) as caught:
        sleeve.Extractor(heads=graphs / "head_sigmoid.onnx")
    assert caught.value.kind == "model"


def test_a_short_recording_is_a_warning_and_empty(extractor: sleeve.Extractor) -> None:
    with pytest.warns(sleeve.SleeveWarning, match="shorter than a patch") as said:
        result = extractor.extract((np.zeros(16_000, np.float32), 16_000))
    assert len(said) == 1 and said[0].filename == __file__
    assert result.embeddings.shape == (0, 200) and result.times.shape == (0,)
    assert result.tags.top() == [] and result and result.ok and len(result) == 0
    with pytest.raises(sleeve.Error) as caught:
        result.mean()
    assert caught.value.kind == "no_output"
    with pytest.warns(sleeve.SleeveWarning) as said:
        empty = extractor.extract((np.zeros(0, np.float32), 16_000))
    assert empty.embeddings.shape == (0, 200) and len(said) == 1


def test_a_warning_comes_once_for_a_line(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    path = folder / "short.wav"
    write_wav(path, np.full((8_000, 1), 1_000), 16_000)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            sleeve.extract(path)
    words = "is shorter than a patch (0.50 s, of 2.99 s), so there are no rows"
    assert [str(warning.message) for warning in said] == [f"{path}: {words}"]


def test_damaged_files_say_so_in_result_and_warning(extractor: sleeve.Extractor, folder: pathlib.Path) -> None:
    path = folder / "cut.ogg"
    path.write_bytes((AUDIO / "sky.ogg").read_bytes()[:-20_000])
    with pytest.warns(sleeve.SleeveWarning, match="cut.ogg: "):
        result = extractor.extract(path)
    assert result.warnings and len(result) > 0


def test_log_records_reach_logging(caplog: pytest.LogCaptureFixture, folder: pathlib.Path) -> None:
    import logging
    import shutil

    for ending in ("onnx", "json"):
        shutil.copy(REPOSITORY / f"models/msd-musicnn-1.{ending}", folder / f"odd.{ending}")
    metadata = json.loads((folder / "odd.json").read_text())
    metadata["classes"] = metadata["classes"][:-1]
    (folder / "odd.json").write_text(json.dumps(metadata))
    with caplog.at_level(logging.DEBUG, logger="sleeve"), pytest.warns(sleeve.SleeveWarning, match="model odd"):
        odd = sleeve.Extractor("odd.onnx", threads=1)
    records = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(records) == 1 and records[0].name.startswith("sleeve.") and "odd" in records[0].getMessage()
    assert odd.labels == ()
    with pytest.raises(sleeve.Error, match="do not name"):
        odd.extract((np.zeros(60_000), 16_000)).tags


def test_nothing_is_printed_without_logging(folder: pathlib.Path) -> None:
    code = "import sleeve, numpy; sleeve.Extractor().extract((numpy.zeros(60_000), 16_000)); sleeve.devices()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_extract_keeps_its_extractor(recording: pathlib.Path) -> None:
    from sleeve import _extractor

    _extractor._forget()
    first = sleeve.extract(recording, options={"threads": 1})
    sleeve.extract(recording, options={"threads": 1})
    assert len(_extractor._kept) == 1
    for hop in range(90, 97):
        _extractor.kept(None, {"patch_hop": hop})
    assert len(_extractor._kept) == _extractor._KEPT
    assert first.ok
    _extractor._forget()


def test_mel(extractor: sleeve.Extractor, recording: pathlib.Path, tone: np.ndarray) -> None:
    assert sleeve.mel(tone, 16_000).shape == (1 + 80_000 // 256 + 1, 96)
    whole = sleeve.mel(recording)
    assert whole.dtype == np.float32 and np.array_equal(extractor.mel(recording), whole)
    assert np.array_equal(sleeve.mel(recording.read_bytes()), whole)
    for name, bands in (("vggish", 64), ("tempocnn", 40), ("fsd-sinet", 96), ("openl3-mel256", 256), ("crepe", 1024)):
        assert sleeve.mel(tone, 16_000, front_end=name).shape[1] == bands
    assert sleeve.mel(np.zeros(0), 16_000).shape == (0, 96)
    with pytest.raises(ValueError, match="front end"):
        sleeve.mel(tone, 16_000, front_end="mfcc")
    golden = REPOSITORY / "tests/data/golden"
    # Essentia's values of the same samples, stored with the script that made them.
    assert np.abs(sleeve.mel(golden / "chords.wav") - np.load(golden / "chords.mel.npy")).max() < 5e-5


def test_stream_has_the_bits_of_the_whole(extractor: sleeve.Extractor, tone: np.ndarray) -> None:
    whole = extractor.extract((tone, 16_000))
    integers = (tone * 32_767).astype(np.int16)
    of_integers = extractor.extract((integers, 16_000))
    for samples, expected in ((tone, whole), (integers, of_integers)):
        stream = extractor.stream(16_000, channels=2)
        for way in (lambda piece: piece, lambda piece: piece.T.copy(), lambda piece: piece.reshape(-1)):
            patches = []
            for piece in np.array_split(samples, [3, 100, 101, 5_000, 50_000]):
                patches.extend(stream.push(way(piece)))
            patches.extend(stream.finish())
            assert [patch.time for patch in patches] == whole.times.tolist()
            assert np.array_equal(np.stack([patch.embedding for patch in patches]), expected.embeddings)
            assert patches[0].tags.top(1) == [max(patches[0].tags.to_dict().items(), key=lambda tag: tag[1])]
            stream.reset()


def test_stream_errors(extractor: sleeve.Extractor) -> None:
    stream = extractor.stream(48_000, 2)
    with pytest.raises(ValueError, match="shape"):
        stream.push(np.zeros((10, 3)))
    with pytest.raises(ValueError, match="another n"):
        stream.push(np.zeros((2, 2)))
    with pytest.raises(sleeve.Error, match="whole number"):
        stream.push(np.zeros(3))
    with pytest.raises(sleeve.Error) as caught:
        stream.push(np.full((500_000, 2), np.nan))
    assert caught.value.kind == "non_finite"
    stream.reset()
    assert len(list(stream.push(np.full((500_000, 2), 0.1)))) == 5
    stream.finish()
    with pytest.raises(sleeve.Error) as caught:
        stream.push(np.zeros((10, 2)))
    assert caught.value.kind == "stream"
    for wrong in ((10, 1), (48_000, 0), (48_000.5, 1)):
        with pytest.raises(ValueError):
            extractor.stream(*wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levelled"):
        sleeve.Extractor(level="track").stream(48_000)


def test_the_program(recording: pathlib.Path) -> None:
    def program(*arguments: str) -> subprocess.CompletedProcess[str]:
        run = [sys.executable, "-m", "sleeve", *arguments]
        return subprocess.run(run, capture_output=True, text=True)

    assert program("--version").stdout == f"sleeve {sleeve.__version__}\n"
    shown = program("extract", str(recording))
    assert shown.returncode == 0 and "electronic" in shown.stdout
    assert program("extract", "no such file.mp3").returncode == 1
    assert program("extract", "--no-such-option").returncode == 2
    script = pathlib.Path(sys.executable).with_name("sleeve")
    assert subprocess.check_output([script, "--version"], text=True) == f"sleeve {sleeve.__version__}\n"
    # A reader that goes away ends it quietly.
    pipe = f"{sys.executable} -m sleeve extract --help | head -n 1"
    run = subprocess.run(["bash", "-c", f"set -o pipefail; {pipe}"], capture_output=True, text=True, env=os.environ)
    assert run.stderr == "" and len(run.stdout.splitlines()) == 1


def test_import_is_light() -> None:
    code = "import sys, sleeve; print(sorted({name.split('.')[0] for name in sys.modules}))"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not any(f"'{heavy}'" in modules for heavy in ("pandas", "polars", "pyarrow", "sklearn", "ray", "tqdm", "json"))
