# SPDX-License-Identifier: AGPL-3.0-or-later
"""Loads the plugin into the installed Essentia, after checking that they are compatible."""

import ctypes
import os
import sys
import tempfile
from pathlib import Path

ALGORITHMS = ("SleeveInputMusiCNN", "SleevePredict", "SleevePredict2D")

HERE = Path(__file__).resolve().parent

# Maximum error of the known result: Essentia's own rounding.
TOLERANCE = 5e-5


def load():
    """Registers the algorithms. Raises ImportError if they are not compatible with the installed Essentia."""
    try:
        import essentia
        from essentia import _essentia
    except ImportError as error:
        raise ImportError(
            f"sleeve_essentia needs Essentia, which cannot be imported ({error}); "
            "pip install essentia, or essentia-tensorflow"
        ) from error
    try:
        reason = _start(_essentia.__file__)
        reason = reason or _wrong_answer(_essentia)
    except OSError as error:
        # Functions that it lacks, or that were compiled for another C++ standard library.
        reason = str(error)
    if reason:
        raise ImportError(
            f"sleeve_essentia was not built for the Essentia that is installed ({_description(essentia)}): {reason}. "
            "It works with essentia and essentia-tensorflow 2.1b6.dev1389"
        )
    _name_classes()


def _start(module):
    """Loads and starts the plugin. Returns why it is not compatible, or None."""
    # First by its real path, so that the torch plugin is searched for beside it.
    ctypes.CDLL(str(HERE / "libsleeve.so"))
    # The plugin links Essentia's module by a fixed name beside itself, hence the links. So it finds Essentia's
    # functions although they are not global: global symbols of the module would expose its copies of FFmpeg or
    # TensorFlow to every other library.
    with tempfile.TemporaryDirectory(prefix="sleeve_essentia-") as folder:
        for name, target in [
            ("essentia_module.so", os.path.realpath(module)),
            ("libsleeve.so", HERE / "libsleeve.so"),
            # The soname of a library that cargo-c installed.
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
    """Compares one of our algorithms with Essentia's. Returns what is wrong, or None."""
    import numpy

    frame = numpy.sin(numpy.arange(512, dtype=numpy.float32) * numpy.float32(0.3))

    def bands(name):
        algorithm = _essentia.Algorithm(name)
        return numpy.asarray(algorithm.__compute__(frame))

    ours, theirs = bands("SleeveInputMusiCNN"), bands("TensorflowInputMusiCNN")
    if ours.shape != theirs.shape or not numpy.abs(ours - theirs).max() <= TOLERANCE:
        return "the mel bands of a known frame differ from Essentia's"
    try:
        empty = _essentia.Algorithm("SleevePredict")
        empty.__compute__(frame)
    except RuntimeError as error:
        return None if "SleevePredict" in str(error) else f"an exception has the message {error}"
    return "an exception is not passed on"


def _name_classes():
    """Adds the algorithms' classes to the modules that are imported. Modules imported later add them by themselves."""
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
