"""The engine of the package ``sleeve`` on libtorch, beside the PyTorch that pip installed.

``sleeve`` calls :func:`prepare` where it needs to.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import pathlib
import threading

__all__ = ["TORCH_VERSION", "__version__", "prepare"]

__version__ = "0.2.0"

#: The version of PyTorch that the engine was built for. Another has other functions under the same names.
TORCH_VERSION = "2.11.0"

_ENGINE = pathlib.Path(__file__).with_name("libsleeve_torch.so")
_lock = threading.Lock()


def prepare() -> str:
    """Loads PyTorch's libraries and says where the engine is, so that ``sleeve`` finds both. Returns the engine's path.

    Raises:
        ImportError: PyTorch is missing, or of another version; the message names both versions.
    """
    try:
        installed = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            f"sleeve-torch {__version__} needs torch {TORCH_VERSION}, and no torch is installed: "
            f"pip install torch=={TORCH_VERSION}"
        ) from None
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise ImportError(f"torch {installed} is installed, but cannot be found")
    folder = pathlib.Path(spec.origin).parent
    # What follows a plus is the kind of CUDA.
    if installed.split("+")[0] != TORCH_VERSION:
        raise ImportError(
            f"sleeve-torch {__version__} was built for torch {TORCH_VERSION}, and torch {installed} is installed in "
            f"{folder}: pip install torch=={TORCH_VERSION}, or the sleeve-torch of torch {installed}"
        )
    with _lock:
        # By name the engine then finds what is loaded already: it was linked in another folder.
        for name in ("libc10.so", "libtorch_cpu.so"):
            ctypes.CDLL(str(folder / "lib" / name), mode=ctypes.RTLD_GLOBAL)
        os.environ["SLEEVE_TORCH_ENGINE"] = str(_ENGINE)
        cuda = folder / "lib" / "libtorch_cuda.so"
        if cuda.exists():
            os.environ.setdefault("SLEEVE_LIBTORCH_CUDA", str(cuda))
    return str(_ENGINE)
