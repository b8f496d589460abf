"""The command line: ``python -m sleeve`` and ``sleeve`` are the program of the Rust crate, with all of its options."""

from __future__ import annotations

import signal
import sys

from . import _sleeve


def main() -> int:
    """Runs the program and returns its exit code."""
    if hasattr(signal, "SIGPIPE"):
        # With `| head` it ends quietly, as other programs do; Python had turned the signal into an error.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    return _sleeve.run_program(["sleeve", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
