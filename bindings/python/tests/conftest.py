"""What all tests share. They run against the installed wheel: this folder is not beside the package's sources."""

from __future__ import annotations

import os
import pathlib
import wave
from collections.abc import Iterator

import numpy as np
import pytest

import sleeve

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
AUDIO = REPOSITORY / "examples" / "audio"
RECORDINGS = [AUDIO / name for name in ("ground.ogg", "idle_tune.mp3", "sky.ogg")]


@pytest.fixture(scope="session")
def extractor() -> sleeve.Extractor:
    """Two threads, the default model."""
    return sleeve.Extractor(threads=2)


@pytest.fixture(scope="session")
def recording() -> pathlib.Path:
    return RECORDINGS[2]


@pytest.fixture(scope="session")
def tone() -> np.ndarray:
    """Five seconds of stereo at 16 kHz, float32 ``[n, 2]``: two patches."""
    time = np.arange(80_000) / 16_000
    left = 0.4 * np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    right = 0.2 * np.sin(2 * np.pi * 554 * time)
    return np.stack([left, right], axis=1).astype(np.float32)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """An empty working directory."""
    before = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def write_wav(path: pathlib.Path, samples: np.ndarray, rate: int) -> None:
    """int16 ``[n, channels]`` as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
