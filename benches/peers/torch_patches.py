"""Runs the network of one of this project's TorchScript files in PyTorch: eager, and torch.compile(max-autotune).

    torch_patches.py FILE.pt f32|bf16|fp16 BATCH SECONDS

Prints "eager N" and "compile N", patches per second; including the copies to the device and back. The file's
code is also valid Python, so both run the same operations on the same weights.
"""

import re
import sys
import time
import types
import zipfile

import torch


def network(path, dtype):
    archive = zipfile.ZipFile(path)
    name = next(name for name in archive.namelist() if name.endswith("code/__torch__.py"))
    code = archive.read(name).decode()
    body = code[code.index("  def forward") :]
    # TorchScript's types are not Python's.
    body = re.sub(r"\(self: [^,]*,\s*x: Tensor\) -> [^\n]*:", "(self, x):", body)
    scope = {"torch": torch}
    exec("class Network:\n" + body, scope)
    weights = dict(torch.jit.load(path, map_location="cuda").to(dtype).named_parameters())
    weights = {key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value for key, value in weights.items()}
    holder = types.SimpleNamespace(**weights)
    return lambda x: scope["Network"].forward(holder, x)


def speed(forward, dtype, batch, seconds):
    host = torch.rand(batch, 128, 96).pin_memory()

    def once():
        outputs = forward(host.to("cuda", non_blocking=True).to(dtype))
        return [value.float().to("cpu", non_blocking=True) for value in outputs.values()]

    with torch.inference_mode():
        for _ in range(5):
            once()
        torch.cuda.synchronize()
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for _ in range(8):
                once()
            torch.cuda.synchronize()
            count += 8 * batch
        return count / (time.perf_counter() - start)


def main():
    path, precision, batch, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    torch.backends.cudnn.allow_tf32 = False
    forward = network(path, dtype)
    print("eager", speed(forward, dtype, batch, seconds), flush=True)
    compiled = torch.compile(forward, mode="max-autotune")
    print("compile", speed(compiled, dtype, batch, seconds), flush=True)


main()
