"""Trains an EfficientNet-B0 in PyTorch, in double precision, and stores what comes out.

    training_reference.py OUT.safetensors

Each objective's loss and gradients; ten steps of Adam of each over the whole network, the average of the last weights, and
batch norm's statistics computed anew for it; ten steps over gradients that are given, from far above Adam's epsilon to far
below; the plateau schedule over a sequence of losses. Needs nothing but numpy and any PyTorch from
1.13 on. Of each tensor six values and its norm are kept; of weights, what the steps have changed them by. The values made
with 2.11.0 are `tests/data/training/reference.safetensors`, which the test `objectives` compares
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
from torch.optim.swa_utils import AveragedModel, update_bn

import network_reference
from network_reference import Network, Projection, Tags, uniform, value

SIDE, SAMPLES, CLASSES = 32, 6, 20
WEIGHTS = {"track": 0.1, "release": 0.15, "artist": 0.6, "label": 0.15}
STEPS, AVERAGED = 10, 4
# Of the steps over the whole network: Adam divides by the gradient's size, so that where there is next to no gradient,
# only a larger epsilon than the usual one keeps rounding from being all that is learnt.
RATE, EPSILON = 1e-4, 1e-2


class Masked(Network):
    """A network whose masks belong to a batch of a name."""

    def forward(self, patches, batch=None):
        named = network_reference.uniform
        network_reference.uniform = lambda name, *dims: uniform(f"{batch}.{name}", *dims)
        # Without a batch's name nothing is dropped; batch norm computes as it is told.
        for module in self.modules():
            if isinstance(module, (Network, network_reference.Block)):
                module.training = self.training and batch is not None
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
        out[f"{what}.gradient.{name}"] = kept(parameter.grad)


def contrastive_loss(network, batch, allowed=None):
    return contrastive(network.heads["projections"], network(patches(batch, 8), batch), allowed)


def masked_loss(network, batch):
    allowed = torch.from_numpy(uniform("allowed", 4, 4) < 0.5) | torch.eye(4, dtype=torch.bool)
    return contrastive_loss(network, batch, allowed)


def tags_loss(network, batch):
    tags = torch.from_numpy((uniform("tags", 5, CLASSES) < 0.3).astype(np.float64))
    return F.multilabel_soft_margin_loss(network.heads["predictions"](network(patches(batch, 5), batch)), tags)


def multitask_losses(network, batch):
    x = network(patches(batch, 16), batch)
    return [contrastive(network.heads[name], own) for name, own in zip(WEIGHTS, x.chunk(4))]


def multitask_loss(network, batch):
    return sum(weight * loss for weight, loss in zip(WEIGHTS.values(), multitask_losses(network, batch)))


def projection():
    return {"projections": Projection()}


OBJECTIVES = {
    "contrastive": (projection, contrastive_loss),
    "masked": (projection, masked_loss),
    "tags": (lambda: {"predictions": Tags()}, tags_loss),
    "multitask": (lambda: {name: Projection() for name in WEIGHTS}, multitask_loss),
}


def objectives(out):
    for what, (heads, loss) in OBJECTIVES.items():
        network = made(heads())
        batch = "contrastive" if what == "masked" else what
        if what == "multitask":
            with torch.no_grad():
                out["multitask.losses"] = torch.stack(multitask_losses(made(heads()), batch))
        gradients(out, what, network, loss(network, batch))


def steps(out):
    """Ten steps of each objective, each with a batch of its own."""
    for what, (heads, loss) in OBJECTIVES.items():
        network = made(heads())
        before = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE, eps=EPSILON)
        average, losses = AveragedModel(network), []
        for step in range(STEPS):
            optimizer.zero_grad()
            value = loss(network, f"{what}.step.{step}")
            value.backward()
            optimizer.step()
            losses.append(value.detach())
            if step >= STEPS - AVERAGED:
                average.update_parameters(network)
        out[f"{what}.steps.losses"] = torch.stack(losses)
        changed = lambda network: {name: tensor - before[name] for name, tensor in network.named_parameters()}
        store(out, f"{what}.steps.weights", changed(network))
        store(out, f"{what}.steps.statistics", statistics(network))
        store(out, f"{what}.average.weights", changed(average.module))
        update_bn([patches(f"{what}.statistics.{batch}", 6) for batch in range(3)], average)
        store(out, f"{what}.average.statistics", statistics(average.module))


def kept(tensor):
    return torch.cat([sampled(tensor), tensor.detach().norm().reshape(1)])


def statistics(network):
    return {name: tensor for name, tensor in network.named_buffers() if "num_batches_tracked" not in name}


def store(out, what, tensors):
    """All of them behind each other, by name."""
    out[what] = torch.cat([kept(tensors[name]) for name in sorted(tensors)])


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
    torch.set_num_threads(1)
    out = {}
    objectives(out)
    steps(out)
    adam(out)
    schedule(out)
    save(sys.argv[1], out)
    print(torch.__version__, len(out), "tensors")


if __name__ == "__main__":
    main()
