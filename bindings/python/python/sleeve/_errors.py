"""Exceptions and warnings."""

from __future__ import annotations


class Error(Exception):
    """A recording, model or device that cannot be used.

    ``kind`` says why, as one word:

    ============== =================================================================
    ``audio``       not audio, damaged from the start, or in an unsupported format
    ``non_finite``  a sample is NaN, infinite or beyond 1e15; the message says which
    ``model``       a graph or its metadata cannot be used
    ``no_output``   the model has no such output, or it was not selected
    ``library``     a library file is damaged, of another model, or being written by another process
    ``unavailable`` this build or machine lacks the device, precision or engine
    ``engine``      the network failed
    ``stream``      a finished stream was pushed to
    ``forked``      the object, or the first extractor, was made before this process was forked
    ``cancelled``   the work was cancelled
    ``io``          reading failed, without an error number of the system's
    ``panicked``    a fault of Sleeve's own: please report it
    ============== =================================================================

    Files that are missing or unreadable raise ``FileNotFoundError``, ``PermissionError`` or another ``OSError``; arguments
    that make no sense raise ``ValueError`` or ``TypeError``.
    """

    kind: str

    def __init__(self, message: str, kind: str = "other") -> None:
        # All of it in `args`, so that the exception can be pickled.
        super().__init__(message, kind)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[0])


class SleeveWarning(UserWarning):
    """Something about a recording or model that may not be what was meant.

    A truncated file, a wrong header, a clipped or silent recording, one shorter than a patch, metadata that do not fit
    their graph. A recording's are also in :attr:`sleeve.Result.warnings`.
    """
