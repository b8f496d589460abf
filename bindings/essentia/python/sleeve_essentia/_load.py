# SPDX-License-Identifier: AGPL-3.0-or-later
"""Loads the plugin into the Essentia that is installed, after proving that they fit."""

import ctypes
import os
import sys
import tempfile
from pathlib import Path

ALGORITHMS = ("SleeveInputMusiCNN", "SleevePredict", "SleevePredict2D")

HERE = Path(__file__).resolve().parent

# The most that the known answer may be off: Essentia's own rounding.
TOLERANCE = 5e-5


def load():
    """Registers the algorithms; raises ImportError where the installed Essentia is not one they fit."""
    try:
        import essentia
        from essentia import _essentia
    except ImportError as error:
        raise ImportError(
            f"sleeve_essentia needs Essentia, and it cannot be imported ({error}); "
            "pip install essentia, or essentia-tensorflow"
        ) from error
    try:
        reason = _start(_essentia.__file__)
        reason = reason or _wrong_answer(_essentia)
    except OSError as error:
        # Functions that it lacks, or has for another C++ standard library.
        reason = str(error)
    if reason:
        raise ImportError(
            f"sleeve_essentia was not built for the Essentia that is installed ({_description(essentia)}): {reason}. "
            "It is known to fit essentia and essentia-tensorflow 2.1b6.dev1389"
        )
    _name_classes()


def _start(module):
    """Loads and starts the plugin; returns why it does not fit, or None."""
    # By its own name first, so that the torch plugin is looked for beside it.
    ctypes.CDLL(str(HERE / "libsleeve.so"))
    # The plugin asks for Essentia's module beside itself, by a name of its own. Loaded like this it finds Essentia's
    # functions, and nobody else does: making the module's symbols global would also make its copies of FFmpeg, or
    # TensorFlow, everyone's.
    with tempfile.TemporaryDirectory(prefix="sleeve_essentia-") as folder:
        for name, target in [
            ("essentia_module.so", os.path.realpath(module)),
            ("libsleeve.so", HERE / "libsleeve.so"),
            # What a library that cargo-c installed asks to be called.
            ("libsleeve.so.1", HERE / "libsleeve.so"),
            ("libsleeve_essentia.so", HERE / "libsleeve_essentia.so"),
        ]:
            os.symlink(target, os.path.join(folder, name))
        plugin = ctypes.CDLL(os.path.join(folder, "libsleeve_essentia.so"), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    plugin.sleeve_essentia_start.restype = ctypes.c_char_p
    plugin.sleeve_essentia_start.argtypes = [ctypes.c_char_p]
    reason = plugin.sleeve_essentia_start(os.fsencode(module))
    return None if reason is None else reason.decode("utf-8", "replace")


def _wrong_answer(_essentia):
    """Runs an algorithm of ours beside Essentia's own; returns what is wrong, or None."""
    import numpy

    frame = numpy.sin(numpy.arange(512, dtype=numpy.float32) * numpy.float32(0.3))

    def bands(name):
        algorithm = _essentia.Algorithm(name)
        return numpy.asarray(algorithm.__compute__(frame))

    ours, theirs = bands("SleeveInputMusiCNN"), bands("TensorflowInputMusiCNN")
    if ours.shape != theirs.shape or not numpy.abs(ours - theirs).max() <= TOLERANCE:
        return "mel bands of a known frame are not what Essentia computes"
    try:
        empty = _essentia.Algorithm("SleevePredict")
        empty.__compute__(frame)
    except RuntimeError as error:
        return None if "SleevePredict" in str(error) else f"an error arrives as {error}"
    return "an error does not arrive"


def _name_classes():
    """Makes the algorithms classes of the modules that are there; those that are imported later do so themselves."""
    for module, create in [("essentia.standard", "_create_essentia_class"), ("essentia.streaming", "_create_streaming_algo")]:
        if module in sys.modules:
            for name in ALGORITHMS:
                getattr(sys.modules[module], create)(name)


def _description(essentia):
    from importlib.metadata import PackageNotFoundError, version

    for package in ["essentia", "essentia-tensorflow"]:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return f"version {getattr(essentia, '__version__', 'unknown')}"
