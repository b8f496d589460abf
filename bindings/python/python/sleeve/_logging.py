"""The library's log records, passed on to Python's logging."""

from __future__ import annotations

import logging

from . import _sleeve

_logger = logging.getLogger("sleeve")
# The host decides what is shown; without this, logging would print warnings that are also Python warnings.
_logger.addHandler(logging.NullHandler())


def listen() -> None:
    """Collects records from the level on that the logger ``sleeve`` has now."""
    _sleeve.set_log_level(min(_logger.getEffectiveLevel(), 255))


def drain() -> None:
    """Passes on what was collected."""
    for level, target, message in _sleeve.take_records():
        logging.getLogger(target).log(level, "%s", message)
