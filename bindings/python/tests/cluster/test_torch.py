"""PyTorch: tensors, and a DataLoader with workers."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
import sleeve_torch
import torch
from torch.utils.data import DataLoader, Dataset

import sleeve

AUDIO = pathlib.Path(__file__).resolve().parents[4] / "examples" / "audio"


class Recordings(Dataset[Any]):
    """A dataset with an extractor in it, as one is written first."""

    def __init__(self, extractor: sleeve.Extractor) -> None:
        self.extractor = extractor

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        samples = np.random.default_rng(index).uniform(-0.5, 0.5, 60_000).astype(np.float32)
        return torch.from_numpy(self.extractor.extract((samples, 16_000)).mean())


def test_tensors() -> None:
    extractor = sleeve.Extractor(threads=2)
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 60_000)).astype(np.float32)
    expected = extractor.extract((samples, 16_000)).embeddings
    tensor = torch.from_numpy(samples)
    for given in (tensor, tensor.T, tensor.to(torch.float64)):
        assert np.array_equal(extractor.extract((given, 16_000)).embeddings, expected)
    for wrong in (tensor.requires_grad_(), tensor.detach().to(torch.bfloat16)):
        with pytest.raises(TypeError, match="Tensor"):
            extractor.extract((wrong, 16_000))
    # Outputs are torch's without a copy.
    assert torch.from_dlpack(expected).data_ptr() == expected.ctypes.data


def test_a_data_loader_that_spawns() -> None:
    dataset = Recordings(sleeve.Extractor(threads=1))
    expected = torch.stack([dataset[index] for index in range(6)])
    loader = DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context="spawn")
    assert torch.equal(torch.cat(list(loader)), expected)


def test_a_data_loader_that_forks_is_told() -> None:
    loader = DataLoader(Recordings(sleeve.Extractor(threads=1)), num_workers=1, multiprocessing_context="fork")
    with pytest.raises(sleeve.Error) as caught:
        list(loader)
    # It comes from the worker with its words.
    assert "multiprocessing_context" in str(caught.value)


class Network(torch.nn.Module):
    """As small as a model can be: the mean of the bands, and the first of them as tags."""

    def forward(self, patches: torch.Tensor) -> dict[str, torch.Tensor]:
        embeddings = patches.mean(dim=1)
        return {"predictions": torch.sigmoid(embeddings[:, :3]), "embeddings": embeddings}


METADATA = {
    "name": "small",
    "classes": ["a", "b", "c"],
    "schema": {
        "inputs": [{"name": "melspectrogram", "type": "float", "shape": [187, 96]}],
        "outputs": [
            {"name": "predictions", "type": "float", "shape": [1, 3], "output_purpose": "predictions"},
            {"name": "embeddings", "type": "float", "shape": [1, 96], "output_purpose": "embeddings"},
        ],
    },
    "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictMusiCNN"},
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_the_engine_of_sleeve_torch(tmp_path: pathlib.Path) -> None:
    """In a process that has not imported torch: TorchScript on the torch that pip installed."""
    torch.jit.script(Network()).save(str(tmp_path / "small.pt"))
    (tmp_path / "small.json").write_text(json.dumps(METADATA))
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 60_000).astype(np.float32)
    np.save(tmp_path / "samples.npy", samples)
    code = """
        import sys, numpy, sleeve
        extractor = sleeve.Extractor("small.pt", device="cpu")
        result = extractor.extract((numpy.load("samples.npy"), 16_000))
        assert "torch" not in sys.modules and extractor.engine.startswith("torch: "), extractor.engine
        numpy.save("embeddings.npy", result.embeddings)
        print(result.tags.labels)
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    out = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path)
    assert (out.returncode, out.stdout) == (0, "('a', 'b', 'c')\n"), out.stderr
    mel = sleeve.mel(samples, 16_000)[:187]
    assert np.allclose(np.load(tmp_path / "embeddings.npy"), mel.mean(axis=0)[np.newaxis], atol=1e-5)


def test_another_torch_is_named_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLEEVE_TORCH_ENGINE", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.12.1+cu999")
    with pytest.raises(sleeve.Error) as caught:
        sleeve.Extractor(device="cuda")
    said = str(caught.value)
    assert caught.value.kind == "unavailable" and f"torch {sleeve_torch.TORCH_VERSION}" in said and "torch 2.12.1+cu999" in said
    # The CPU needs neither.
    assert sleeve.Extractor(threads=1).dim == 200
