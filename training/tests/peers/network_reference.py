"""Computes EfficientNet-B0 forwards and backwards in PyTorch, in double precision, and stores what comes out.

    network_reference.py OUT.safetensors

Needs nothing but numpy and any PyTorch from 1.13 on (Debian's python3-torch will do). The values made with 1.13.1 are
`tests/data/network/reference.safetensors`, which the test `network` compares with; it needs no PyTorch of its own.

Weights, patches, masks and tags are not stored: both sides make them of their names by `uniform`, with integers that
no machine rounds. Written from the description of EfficientNet (Tan and Le, 2019) with torch.nn's layers.
"""

import json
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

PATCHES, CLASSES, SAMPLES = 8, 20, 48


def uniform(name, *dims):
    """Values in 0..1, a function of a name: FNV-1a of the name, then splitmix64 of every index."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, int(np.prod(dims)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64).reshape(dims) / 2**24


def value(name, dims):
    """A tensor of the network, rounded to single precision as in a checkpoint."""
    u = uniform(name, *dims)
    if name.endswith("running_var"):
        x = 0.5 + u
    elif name.endswith("weight") and len(dims) == 1:
        x = 0.6 + u
    elif name.endswith("similarity"):
        x = (2 * u - 1) * 0.09
    elif len(dims) == 1:
        x = (2 * u - 1) * 0.3
    else:
        gain = 1.3 if len(dims) == 4 else 1.0
        x = (2 * u - 1) * np.sqrt(3 * gain / np.prod(dims[1:]))
    return torch.from_numpy(x.astype(np.float32).astype(np.float64))


class ConvNorm(nn.Sequential):
    def __init__(self, cin, cout, kernel=1, stride=1, groups=1, act=True):
        layers = [
            nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(cout),
        ]
        super().__init__(*layers, *([nn.SiLU()] if act else []))


class Gate(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        mean = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.fc2(F.silu(self.fc1(mean))))


class Block(nn.Module):
    def __init__(self, index, cin, cout, kernel, stride, expansion):
        super().__init__()
        wide = cin * expansion
        layers = [ConvNorm(cin, wide)] if expansion > 1 else []
        layers += [ConvNorm(wide, wide, kernel, stride, wide), Gate(wide, cin // 4), ConvNorm(wide, cout, act=False)]
        self.block = nn.Sequential(*layers)
        self.index, self.residual = index, stride == 1 and cin == cout

    def forward(self, x):
        y = self.block(x)
        if not self.residual:
            return y
        if self.training:
            kept = uniform(f"depth.{self.index}", len(x)) >= 0.3
            factors = np.where(kept, np.float32(1 / 0.7), np.float32(0)).astype(np.float64)
            y = y * torch.from_numpy(factors)[:, None, None, None]
        return x + y


class Projection(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense, self.norm = nn.Linear(1280, 512), nn.LayerNorm(512)
        self.similarity = nn.Parameter(torch.empty(512, 512))

    def forward(self, x):
        return torch.tanh(self.norm(self.dense(x)))


class Tags(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(1280, CLASSES)

    def forward(self, x):
        return self.dense(x)


class Network(nn.Module):
    def __init__(self, heads=None):
        super().__init__()
        table = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)]
        table += [(3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
        layers, cin, index = [ConvNorm(1, 32, 3, 2)], 32, 0
        for repeats, kernel, stride, expansion, cout in table:
            stage = []
            for repeat in range(repeats):
                stage.append(Block(index, cin, cout, kernel, stride if repeat == 0 else 1, expansion))
                cin, index = cout, index + 1
            layers.append(nn.Sequential(*stage))
        self.features = nn.Sequential(*layers, ConvNorm(320, 1280))
        self.heads = nn.ModuleDict(heads or {"projections": Projection(), "predictions": Tags()})

    def forward(self, patches):
        x = self.features(patches[:, None]).mean((2, 3))
        if self.training:
            kept = uniform("dropout", len(x), 1280) >= 0.2
            x = x * torch.from_numpy(np.where(kept, 1.25, 0.0))
        return x


def sampled(tensor):
    """At most 48 values, evenly spread."""
    flat = tensor.detach().reshape(-1)
    count = min(SAMPLES, len(flat))
    return flat[torch.arange(count) * len(flat) // count]


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        tensor = torch.as_tensor(tensor).detach()
        raw = tensor.numpy().astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    network = Network().double()
    state = network.state_dict()
    filled = {k: value(k, v.shape) for k, v in state.items() if "num_batches_tracked" not in k}
    network.load_state_dict(filled, strict=False)
    patches = uniform("patches", PATCHES, 128, 96) * uniform("bands", PATCHES, 1, 96) * uniform("frames", PATCHES, 128, 1)
    patches = torch.from_numpy((patches * 8).astype(np.float32).astype(np.float64))
    projections, predictions = network.heads["projections"], network.heads["predictions"]
    out = {}

    network.eval()
    with torch.no_grad():
        x = network(patches[:3])
        out["inference.embeddings"] = x
        out["inference.projections"] = projections(x)
        out["inference.logits"] = predictions(x)

    network.train()
    x = network(patches)
    out["training.embeddings"] = x[::3]
    anchors, positives = projections(x).split(PATCHES // 2)
    similarities = anchors @ projections.similarity @ positives.T
    targets = torch.arange(PATCHES // 2)
    contrastive = F.cross_entropy(similarities, targets)
    tags = torch.from_numpy((uniform("tags", PATCHES, CLASSES) < 0.3).astype(np.float64))
    multilabel = F.multilabel_soft_margin_loss(predictions(x), tags)
    (contrastive + 2 * multilabel).backward()
    out["training.similarities"] = similarities
    out["training.losses"] = torch.stack([contrastive, multilabel])
    out["training.top1"] = (similarities.argmax(1) == targets).double().mean().reshape(1)
    for name, parameter in network.named_parameters():
        out[f"gradient.{name}"] = sampled(parameter.grad)
        out[f"norm.{name}"] = parameter.grad.norm().reshape(1)
    for name, buffer in network.named_buffers():
        if "num_batches_tracked" not in name:
            out[f"after.{name}"] = sampled(buffer)
    save(sys.argv[1], out)
    print(len(out), "tensors; losses", contrastive.item(), multilabel.item(), "similarities\n", similarities)


if __name__ == "__main__":
    main()
