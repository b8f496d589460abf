"""Many recordings through one batch, in the order of the inputs or as they come."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Literal, TypeAlias, Union

from . import _audio, _sleeve
from ._audio import Audio
from ._errors import SleeveWarning
from ._logging import drain, listen
from ._result import Failure, Result, warn

#: ``True`` for a bar, or a function of the recordings done, those failed, and the seconds of audio.
Progress: TypeAlias = Union[bool, Callable[[int, int, float], None]]

#: Results that wait for an earlier one at most: with a recording of hours among short ones.
WINDOW = 256


def run_many(
    start: Callable[[], _sleeve.Run],
    finish: Callable[..., Result],
    inputs: Iterable[Audio],
    *,
    progress: Progress,
    on_error: Literal["raise", "yield", "skip"],
    ordered: bool,
) -> Iterator[Result | Failure]:
    """The iterator of ``extract_many``."""
    listen()
    total = len(inputs) if isinstance(inputs, Sized) else None
    show, close = _show(progress, total)
    try:
        done = failed = 0
        seconds = 0.0
        for outcome in _outcomes(start, finish, inputs, ordered):
            if isinstance(outcome, Failure):
                failed += 1
            else:
                done += 1
                seconds += outcome.seconds
            show(done, failed, seconds)
            if isinstance(outcome, Result):
                if outcome.warnings:
                    warn(outcome.warnings, outcome.source or f"input {outcome.index}", 2)
            elif on_error == "raise":
                raise outcome.error
            elif on_error == "skip":
                said = f"{outcome.source or f'input {outcome.index}'}: left out: {outcome.error}"
                _warnings.warn(said, SleeveWarning, stacklevel=2)
                continue
            yield outcome
    finally:
        close()


def _outcomes(
    start: Callable[[], _sleeve.Run],
    finish: Callable[..., Result],
    inputs: Iterable[Audio],
    ordered: bool,
) -> Iterator[Result | Failure]:
    """What becomes of each input."""
    iterator = iter(inputs)
    run = start()
    # Inputs under way: their index and name, by their number in the run.
    under_way: dict[int, tuple[int, str | None]] = {}
    waiting: dict[int, Result | Failure] = {}
    read = given = returned = 0
    exhausted = False
    try:
        while True:
            # One input at a time, so that no result waits for an iterable that is slow.
            feeds = not exhausted and run.wants() and read - returned < WINDOW
            if feeds:
                try:
                    audio = next(iterator)
                except StopIteration:
                    exhausted = True
                    run.end()
                else:
                    index, name = read, _audio.label(audio)
                    read += 1
                    try:
                        _give(run, audio)
                    except (TypeError, ValueError, OSError) as error:
                        waiting[index] = Failure(name, error, index)
                    else:
                        under_way[given] = (index, name)
                        given += 1
            outcome = run.next(not feeds) if under_way else None
            drain()
            if outcome is not None:
                number, parts, failure = outcome
                index, name = under_way.pop(number)
                if failure is not None:
                    waiting[index] = Failure(name, failure, index)
                elif parts is not None:
                    waiting[index] = finish(parts, source=name, index=index)
            # Those that can be returned now.
            while waiting:
                index = returned if ordered else next(iter(waiting))
                if index not in waiting:
                    break
                returned += 1
                yield waiting.pop(index)
            if exhausted and not under_way:
                return
    finally:
        run.stop()
        drain()


def _give(run: _sleeve.Run, audio: Audio) -> None:
    source = _audio.understand(audio)
    if isinstance(source, _audio.FromPath):
        run.give_file(source.path)
    elif isinstance(source, _audio.FromBytes):
        run.give_bytes(source.name, source.data)
    else:
        run.give_samples(source.samples, source.channels, source.sample_rate)


def _show(progress: Progress, total: int | None) -> tuple[Callable[[int, int, float], None], Callable[[], None]]:
    """How progress is shown, and how that ends."""
    if callable(progress):
        return progress, lambda: None
    if progress:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            _warnings.warn("progress=True needs tqdm: pip install tqdm", SleeveWarning, stacklevel=4)
        else:
            bar: Any = tqdm(total=total, unit="file")

            def show(done: int, failed: int, seconds: float) -> None:
                bar.update(done + failed - bar.n)
                bar.set_postfix(hours=f"{seconds / 3600:.1f}", failed=failed, refresh=False)

            return show, bar.close
    return (lambda done, failed, seconds: None), lambda: None
