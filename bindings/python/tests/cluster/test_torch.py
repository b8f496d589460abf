"""PyTorch: tensors, and a DataLoader with workers."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
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
