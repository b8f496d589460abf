"""The PyTorch side of `cargo xtask bench train`: the same step, with eager or (`compile`) compiled execution.

    train_eager.py DEVICE PATCHES STEPS PRECISION [compile]

Prints patches per second for the forward and backward passes and the optimizer step.
"""

import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/peers"))
import network_reference  # noqa: E402


class Block(network_reference.Block):
    def forward(self, x):
        y = self.block(x)
        if not self.residual:
            return y
        drop = 0.2 * self.index / 16
        kept = torch.empty(len(x), 1, 1, 1, device=x.device, dtype=y.dtype).bernoulli_(1 - drop).div_(1 - drop)
        return x + y * kept


network_reference.Block = Block


class Network(network_reference.Network):
    def __init__(self):
        super().__init__({"projections": network_reference.Projection()})
        torch.nn.init.normal_(self.heads["projections"].similarity, std=0.05)

    def forward(self, patches):
        x = F.dropout(self.features(patches[:, None]).mean((2, 3)), 0.2)
        head = self.heads["projections"]
        anchors, positives = head(x).chunk(2)
        similarities = (anchors @ head.similarity @ positives.T).float()
        return F.cross_entropy(similarities, torch.arange(len(anchors), device=x.device))


def main():
    device, patches, steps, precision = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.backends.cudnn.benchmark = True
    network = Network().to(device=device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    learn = torch.compile(network) if "compile" in sys.argv else network
    x = torch.rand(patches, 128, 96, device=device) * 4

    def step():
        optimizer.zero_grad()
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bf16"):
            loss = learn(x)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(2):
        step().item()
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(steps):
            loss = step()
        loss.item()
        best = max(best, patches * steps / (time.perf_counter() - start))
    print(best)


main()
