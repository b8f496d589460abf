"""Trains an EfficientNet-B0 in PyTorch, in double precision, and stores what comes out.

    training_reference.py OUT.safetensors

Each objective's loss and gradients; ten steps of Adam over gradients that are given, and the average of the last weights;
the plateau schedule over a sequence of losses. Needs nothing but numpy and any PyTorch from
1.13 on. The values made with 2.11.0 are `tests/data/training/reference.safetensors`, which the test `objectives` compares
with. Weights, patches, masks and tags are made of their names, as in `network_reference.py` beside it. Patches are of 32
frames by 32 bands: the network takes any, and double precision is slow.
"""

import json
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

import network_reference
from network_reference import Network, Projection, Tags, uniform, value

SIDE, SAMPLES, CLASSES = 32, 6, 20
WEIGHTS = {"track": 0.1, "release": 0.15, "artist": 0.6, "label": 0.15}
STEPS, AVERAGED = 10, 4


class Masked(Network):
    """A network whose masks belong to a batch of a name."""

    def forward(self, patches, batch=None):
        named = network_reference.uniform
        network_reference.uniform = lambda name, *dims: uniform(f"{batch}.{name}", *dims)
        try:
            return super().forward(patches)
        finally:
            network_reference.uniform = named


def made(heads):
    network = Masked(heads).double()
    names = [name for name in network.state_dict() if "num_batches_tracked" not in name]
    filled = {name: value(name, network.state_dict()[name].shape) for name in names}
    network.load_state_dict(filled, strict=False)
    return network.train()


def patches(batch, count):
    loud = uniform(f"{batch}.bands", count, 1, SIDE) * uniform(f"{batch}.frames", count, SIDE, 1)
    x = uniform(f"{batch}.patches", count, SIDE, SIDE) * loud * 8
    return torch.from_numpy(x.astype(np.float32).astype(np.float64))


def contrastive(head, x, allowed=None):
    anchors, positives = head(x).chunk(2)
    similarities = anchors @ head.similarity @ positives.T
    if allowed is not None:
        similarities = similarities.masked_fill(~allowed, -torch.inf)
    return F.cross_entropy(similarities, torch.arange(len(anchors)))


def sampled(tensor):
    flat = tensor.detach().reshape(-1)
    count = min(SAMPLES, len(flat))
    return flat[torch.arange(count) * len(flat) // count]


def gradients(out, what, network, loss):
    loss.backward()
    out[f"{what}.loss"] = loss.reshape(1)
    for name, parameter in network.named_parameters():
        out[f"{what}.gradient.{name}"] = torch.cat([sampled(parameter.grad), parameter.grad.norm().reshape(1)])


def objectives(out):
    network = made({"projections": Projection()})
    loss = contrastive(network.heads["projections"], network(patches("contrastive", 8), "contrastive"))
    gradients(out, "contrastive", network, loss)

    network = made({"projections": Projection()})
    allowed = torch.from_numpy(uniform("allowed", 4, 4) < 0.5) | torch.eye(4, dtype=torch.bool)
    x = network(patches("contrastive", 8), "contrastive")
    gradients(out, "masked", network, contrastive(network.heads["projections"], x, allowed))

    network = made({"predictions": Tags()})
    tags = torch.from_numpy((uniform("tags", 5, CLASSES) < 0.3).astype(np.float64))
    logits = network.heads["predictions"](network(patches("tags", 5), "tags"))
    gradients(out, "tags", network, F.multilabel_soft_margin_loss(logits, tags))

    network = made({name: Projection() for name in WEIGHTS})
    x = network(patches("multitask", 16), "multitask")
    losses = [contrastive(network.heads[name], own) for name, own in zip(WEIGHTS, x.chunk(4))]
    out["multitask.losses"] = torch.stack(losses)
    gradients(out, "multitask", network, sum(weight * loss for weight, loss in zip(WEIGHTS.values(), losses)))


def adam(out):
    for decay in (0.0, 0.01):
        weights = nn.Parameter(torch.from_numpy(uniform("adam.weights", 40) * 2 - 1))
        optimizer = torch.optim.Adam([weights], lr=1e-3, weight_decay=decay)
        average = AveragedModel(nn.ParameterList([weights]))
        for step in range(STEPS):
            scale = 10.0 ** -np.arange(40)[::-1]
            weights.grad = torch.from_numpy((uniform(f"adam.{step}", 40) * 2 - 1) * scale)
            optimizer.step()
            if step >= STEPS - AVERAGED:
                average.update_parameters(nn.ParameterList([weights]))
        out[f"adam.{decay}"] = weights.detach().clone()
        out[f"average.{decay}"] = average.module[0].detach()


def schedule(out):
    losses = uniform("losses", 60) * 0.2 + np.exp(-np.arange(60) / 10) + 1
    losses[7] = np.nan
    for patience, cooldown, threshold in [(3, 0, 1e-4), (3, 2, 1e-2), (10, 0, 1e-4)]:
        optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1e-3)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.1, patience=patience, threshold=threshold, cooldown=cooldown, min_lr=1e-6
        )
        rates = []
        for loss in losses:
            plateau.step(loss)
            rates.append(optimizer.param_groups[0]["lr"])
        out[f"schedule.{patience}.{cooldown}.rates"] = torch.tensor(rates, dtype=torch.float64)
    out["schedule.losses"] = torch.from_numpy(losses)


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().numpy().astype("<f8").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.set_num_threads(2)
    out = {}
    objectives(out)
    adam(out)
    schedule(out)
    save(sys.argv[1], out)
    print(torch.__version__, len(out), "tensors")


if __name__ == "__main__":
    main()
