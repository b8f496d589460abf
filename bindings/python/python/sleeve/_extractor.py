"""Extractors, and what they are built on."""

from __future__ import annotations

import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypedDict, overload

import numpy as np
import numpy.typing as npt

from . import _audio, _sleeve
from ._audio import Audio, PathLike
from ._errors import Error
from ._logging import drain, listen
from ._many import Progress, run_many
from ._result import Failure, Output, Outputs, Result, build, warn
from ._stream import Stream


class Options(TypedDict, total=False):
    """The options of an :class:`Extractor`, for functions that pass them on."""

    heads: PathLike | Sequence[PathLike]
    head_input: str | None
    any_embedding_model: bool
    front_end: str | None
    device: str
    engine: str
    precision: str
    threads: int
    batch_size: int | None
    patch_hop: int | None
    last_patch: str
    outputs: str | Sequence[str]
    resampler: str
    level: str
    normalise: bool
    ffmpeg: PathLike


class Extractor:
    """A loaded model that turns recordings into embeddings and tags.

    One extractor serves any number of threads at once; the GIL is released while it works. It can be pickled, by the
    arguments it was made with, and so be sent to processes that were started by ``spawn`` or ``forkserver``. In a process
    that was forked from its own it refuses to work (``sleeve.Error`` of kind ``forked``), because threads are not forked.

    Args:
        model: An ``.onnx`` or ``.pt`` file, the ``.json`` beside it, their common stem, or the name of a bundled model
            (:func:`sleeve.models`). By default the first of these, which gives tags and embeddings. A ``.pt`` file can
            contain code: open only those you trust.
        heads: Models whose input is the embedding of this one, as paths.
        head_input: The output that heads take, by purpose or tensor; by default the one that they were trained on.
        any_embedding_model: Takes heads whose metadata name another embedding model. Their values are wrong unless it is
            the same network under another name.
        front_end: The input that the model was trained on, in place of what its metadata say (``musicnn``,
            ``effnet-discogs``, ``vggish``, ...). Values are wrong if it is not true.
        device: ``auto`` (CUDA if the model can run there, else the CPU), ``cpu``, ``cuda`` or ``cuda:1``. CUDA needs the
            package ``sleeve-torch``.
        engine: ``auto``, ``effnet``, ``fused``, ``onnx`` or ``torch``.
        precision: ``auto`` (float32 on a CPU), ``f32``, ``bf16`` or ``fp16``.
        threads: Threads of the network, and of :meth:`extract_many`; 0 means every core that the process may use.
        batch_size: Patches per batch, 1 to 4096; by default the engine chooses. Values do not depend on it.
        patch_hop: Frames from one patch to the next; by default the model's own.
        last_patch: ``discard`` (the default) or ``repeat``: what becomes of the frames after the last complete patch.
        outputs: Outputs of the model, by purpose (``embeddings``, ``predictions``) or tensor; by default all that have
            a purpose.
        resampler: ``linear``, as published models expect, or ``sinc``.
        level: ``none`` (as recorded, as published models expect) or ``track``: each recording at -14 LUFS (EBU R 128).
        normalise: Whether FSD-SINet's recordings are normalised as a whole.
        ffmpeg: ``never``, ``auto`` (if it is on the PATH) or the path of the program: whether it decodes what Sleeve
            cannot.

    Raises:
        FileNotFoundError: A model is neither a file nor bundled.
        ValueError: An option outside its range.
        Error: ``model`` if a model cannot be used, ``unavailable`` if an engine, device or precision is not there.

    Example:
        >>> import numpy, sleeve
        >>> extractor = sleeve.Extractor(threads=1)
        >>> extractor.extract((numpy.zeros(80_000, numpy.float32), 16_000)).embeddings.shape
        (2, 200)
    """

    def __init__(
        self,
        model: PathLike | None = None,
        *,
        heads: PathLike | Sequence[PathLike] = (),
        head_input: str | None = None,
        any_embedding_model: bool = False,
        front_end: str | None = None,
        device: str = "auto",
        engine: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        batch_size: int | None = None,
        patch_hop: int | None = None,
        last_patch: str = "discard",
        outputs: str | Sequence[str] = (),
        resampler: str = "linear",
        level: str = "none",
        normalise: bool = True,
        ffmpeg: PathLike = "never",
    ) -> None:
        listen()
        options: dict[str, Any] = {
            "heads": _paths(heads),
            "head_input": head_input,
            "any_embedding_model": any_embedding_model,
            "front_end": front_end,
            "device": device,
            "engine": engine,
            "precision": precision,
            "threads": _count("threads", threads),
            "batch_size": None if batch_size is None else _count("batch_size", batch_size),
            "patch_hop": None if patch_hop is None else _count("patch_hop", patch_hop),
            "last_patch": last_patch,
            "outputs": [outputs] if isinstance(outputs, str) else list(outputs),
            "resampler": resampler,
            "level": level,
            "normalise": normalise,
            "ffmpeg": os.fspath(ffmpeg),
        }
        name = _sleeve.bundled_models()[0] if model is None else os.fspath(model)
        if not isinstance(name, str):
            raise TypeError(f"the model must be a path or a name, not {type(model).__name__}")
        lacking = find_torch(required=device.startswith("cuda") or engine == "torch" or name.endswith(".pt"))
        try:
            self._core = _sleeve.Core(name, options)
        except Error as error:
            if lacking and error.kind == "unavailable":
                raise Error(f"{error}\n{lacking}", error.kind) from None
            raise
        finally:
            drain()
        self._arguments = (name, options)
        self._outputs = Outputs(
            Output(model, tensor, purpose, dim, tuple(labels), meaning, from_head)
            for model, tensor, purpose, dim, labels, meaning, from_head in self._core.outputs
        )
        self._patch_seconds = self._core.patching[0]
        warn(self._core.warnings, f"model {self._core.model}", 2)

    def extract(self, audio: Audio, sample_rate: float | None = None, *, channel_axis: int | None = None) -> Result:
        """Analyses one recording.

        Args:
            audio: A path; the bytes of a file, or a file open for reading bytes (read as a whole); or samples, as an array
                with ``sample_rate`` or as the tuple ``(samples, sample_rate)``. Samples are floating point with full
                scale 1, or integers of 8, 16 or 32 bits; ``[n]``, ``[channels, n]`` or ``[n, channels]``; of NumPy, torch
                on the CPU, or anything with ``__array__`` or DLPack. The channels are averaged. Contiguous float32 is not
                copied: do not change it meanwhile from another thread.
            sample_rate: The sample rate of an array in Hz, 1000 to 768000. Any rate is converted to the model's.
            channel_axis: Which axis of a two-dimensional array is that of the channels, where its shape does not say.

        Returns:
            The embeddings, predictions and times of every complete patch. A recording shorter than a patch gives a
            :class:`SleeveWarning` and arrays of 0 rows.

        Raises:
            FileNotFoundError: There is no such file; or another ``OSError``.
            TypeError: Not audio of any kind, or an array of a type that is not audio.
            ValueError: A shape that does not say which axis is which, a sample rate outside its range, or integers that
                were converted to floating point without scaling.
            Error: ``audio`` if the file cannot be decoded, ``non_finite`` for NaN or infinity, ``engine`` if the network
                fails.
        """
        return self._extract(_audio.understand(audio, sample_rate, channel_axis), _audio.label(audio), 3)

    def _extract(self, source: _audio.Source, name: str | None, stacklevel: int) -> Result:
        core = self._core
        try:
            if isinstance(source, _audio.FromSamples):
                parts = core.extract_samples(source.samples, source.channels, source.sample_rate)
            elif isinstance(source, _audio.FromPath):
                parts = core.extract_file(source.path)
            else:
                parts = core.extract_bytes(source.name, source.data)
        finally:
            drain()
        result = build(parts, self._outputs, name, 0, self._patch_seconds)
        if result.warnings:
            warn(result.warnings, name, stacklevel)
        return result

    @overload
    def extract_many(
        self,
        inputs: Iterable[Audio],
        *,
        progress: Progress = ...,
        on_error: Literal["raise", "skip"] = ...,
        ordered: bool = ...,
        threads: int | None = ...,
    ) -> Iterator[Result]: ...

    @overload
    def extract_many(
        self,
        inputs: Iterable[Audio],
        *,
        progress: Progress = ...,
        on_error: Literal["yield"],
        ordered: bool = ...,
        threads: int | None = ...,
    ) -> Iterator[Result | Failure]: ...

    def extract_many(
        self,
        inputs: Iterable[Audio],
        *,
        progress: Progress = False,
        on_error: Literal["raise", "yield", "skip"] = "raise",
        ordered: bool = True,
        threads: int | None = None,
    ) -> Iterator[Result | Failure]:
        """Analyses many recordings on all cores, in full batches that patches of several recordings share.

        Memory grows neither with their number nor, but for the rows themselves, with their length. ``inputs`` may be
        endless: it is read, on this thread, as results are taken. Values have the same bits as those of :meth:`extract`.
        Closing the iterator, an exception and Ctrl-C end the work within the time of a batch.

        Args:
            inputs: What :meth:`extract` takes, arrays as tuples ``(samples, sample_rate)``.
            progress: ``True`` shows a bar by tqdm, if that is installed; or a function that is called with the numbers of
                recordings done and failed, and the seconds of audio that they had.
            on_error: ``raise`` (the default) ends at the first recording that fails, ``yield`` gives a
                :class:`Failure` in its place, ``skip`` leaves it out with a warning.
            ordered: Results come in the order of the inputs. ``False`` gives each as soon as it is there; its ``index``
                says which it is.
            threads: Threads that decode and compute; by default those of the extractor.

        Yields:
            A :class:`Result` for each recording, with its ``source`` and ``index``.
        """
        if on_error not in ("raise", "yield", "skip"):
            raise ValueError(f"on_error must be 'raise', 'yield' or 'skip', not {on_error!r}")
        if isinstance(inputs, (str, bytes, os.PathLike)):
            raise TypeError("extract_many takes many recordings: give a list, or use extract for one")
        count = None if threads is None else _count("threads", threads)
        finish = functools.partial(build, outputs=self._outputs, patch_seconds=self._patch_seconds)
        start = functools.partial(self._core.batch, count)
        self._core.check()
        return run_many(start, finish, inputs, progress=progress, on_error=on_error, ordered=ordered)

    def stream(self, sample_rate: float, channels: int = 1) -> Stream:
        """Analyses audio as it comes.

        Args:
            sample_rate: The sample rate of what will be pushed, in Hz, 1000 to 768000.
            channels: Its number of channels.

        Raises:
            ValueError: A rate or number of channels outside its range, or an extractor whose values depend on the whole
                recording (``level="track"``, FSD-SINet with ``normalise=True``).
        """
        return Stream(self._core.stream(_audio.rate(sample_rate), _channels(channels), 10.0), self._outputs, channels)

    def mel(
        self, audio: Audio, sample_rate: float | None = None, *, channel_axis: int | None = None
    ) -> npt.NDArray[np.float32]:
        """The frames of the model's own front end, read as the extractor reads: float32 ``[frames, bands]``.

        Arguments and exceptions are those of :meth:`extract`.
        """
        options = self._arguments[1]
        if not options["normalise"] and self.front_end == "fsd-sinet":
            raise ValueError("the front end fsd-sinet normalises the recording, and this extractor does not")
        return _mel(
            _audio.understand(audio, sample_rate, channel_axis),
            _audio.label(audio),
            front_end=self.front_end,
            resampler=options["resampler"],
            level=options["level"],
            ffmpeg=options["ffmpeg"],
        )

    @property
    def outputs(self) -> Outputs:
        """What is given for every patch."""
        return self._outputs

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the predictions; empty without predictions or names."""
        try:
            return self._outputs[self._outputs.index_of("predictions")].labels
        except Error:
            return ()

    @property
    def dim(self) -> int:
        """The length of an embedding.

        Raises:
            Error: ``no_output`` without embeddings.
        """
        return self._outputs[self._outputs.index_of("embeddings")].dim

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._core.model

    @property
    def sha256(self) -> str:
        """The SHA-256 of the model, weights included, in hexadecimal digits."""
        return self._core.sha256

    @property
    def metadata(self) -> dict[str, Any]:
        """The model's metadata, in the schema of Essentia's models."""
        import json

        metadata: dict[str, Any] = json.loads(self._core.metadata)
        return metadata

    @property
    def engine(self) -> str:
        """What runs the model: ``onnx: cpu, 2 threads``."""
        return ": ".join(self._core.engine)

    @property
    def front_end(self) -> str:
        """The name of the front end whose frames the model takes."""
        return self._core.front_end

    @property
    def sample_rate(self) -> int:
        """The sample rate in Hz that recordings are converted to."""
        return self._core.sample_rate

    @property
    def patch_seconds(self) -> float:
        """The length of a patch in seconds."""
        return self._patch_seconds

    @property
    def hop_seconds(self) -> float:
        """Seconds from the start of one patch to that of the next."""
        return self._core.patching[1]

    def __reduce__(self) -> tuple[Callable[..., Extractor], tuple[str, dict[str, Any]]]:
        name, options = self._arguments
        # Another process may have another working directory.
        absolute = dict(options, heads=[_absolute(head) for head in options["heads"]])
        return _again, (_absolute(name), absolute)

    def __repr__(self) -> str:
        return f"Extractor({self.model!r}, {self.engine})"


def _again(name: str, options: dict[str, Any]) -> Extractor:
    return Extractor(name, **options)


def _absolute(name: str) -> str:
    """A file's absolute path; the name of a bundled model as it is."""
    stem = os.path.splitext(name)[0]
    there = any(os.path.exists(stem + ending) for ending in (".onnx", ".pt", ".json")) or os.path.exists(name)
    return os.path.abspath(name) if there else name


def _paths(heads: PathLike | Sequence[PathLike]) -> list[str]:
    if isinstance(heads, (str, os.PathLike)):
        return [os.fspath(heads)]
    return [os.fspath(head) for head in heads]


def _count(what: str, number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise TypeError(f"{what} must be a whole number, not {type(number).__name__}")
    if not 0 <= number < 2**31:
        raise ValueError(f"{what} must not be {number}")
    return int(number)


def _channels(channels: Any) -> int:
    if not 1 <= _count("channels", channels) <= 65_535:
        raise ValueError(f"channels must be 1 to 65535, not {channels}")
    return int(channels)


def find_torch(required: bool) -> str:
    """Lets the library find the engine of the package ``sleeve-torch``.

    Returns what is missing, to be said if the library fails for it; raises that if there is a package which cannot be used
    and is ``required``.
    """
    if os.environ.get("SLEEVE_TORCH_ENGINE"):
        return ""
    try:
        import sleeve_torch
    except ModuleNotFoundError:
        return "In Python, the package sleeve-torch has that engine: pip install sleeve-torch" if required else ""
    try:
        sleeve_torch.prepare()
    except (ImportError, OSError) as error:
        if required:
            raise Error(str(error), "unavailable") from error
    return ""


# The extractors of `extract`, so that a loop does not load its model for every file.
_KEPT = 4
_kept: OrderedDict[Any, Extractor] = OrderedDict()
_keeping = threading.Lock()


def _forget() -> None:
    """In a forked process, where the holder of the lock may not be."""
    global _keeping
    _keeping = threading.Lock()
    _kept.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def kept(model: PathLike | None, options: Options) -> Extractor:
    """An extractor with these options, of this call or an earlier one."""
    name = None if model is None else os.fspath(model)
    key = (name, _state(name), tuple(sorted((name, _frozen(value)) for name, value in options.items())))
    with _keeping:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    made = Extractor(model, **options)
    with _keeping:
        _kept[key] = made
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return made


def _state(name: str | None) -> Any:
    """What changes when the file of a model is replaced."""
    try:
        about = os.stat(name) if name is not None else None
    except OSError:
        about = None
    return about and (about.st_mtime_ns, about.st_size)


def _frozen(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    return value


def extract(
    audio: Audio,
    sample_rate: float | None = None,
    *,
    model: PathLike | None = None,
    channel_axis: int | None = None,
    options: Options | None = None,
) -> Result:
    """Analyses one recording; :meth:`Extractor.extract` says what is understood as audio, and what is raised.

    The extractor is kept, so that a loop loads its model once. Where options matter, make an :class:`Extractor`.

    Args:
        audio: A path, bytes, an open file, an array with ``sample_rate``, or ``(samples, sample_rate)``.
        sample_rate: The sample rate of an array in Hz.
        model: A path or the name of a bundled model; by default the one that gives tags and embeddings.
        channel_axis: Which axis of an array is that of the channels, where its shape does not say.
        options: Further arguments of :class:`Extractor`.
    """
    source = _audio.understand(audio, sample_rate, channel_axis)
    return kept(model, options or {})._extract(source, _audio.label(audio), 3)


def mel(
    audio: Audio,
    sample_rate: float | None = None,
    *,
    front_end: str = "musicnn",
    resampler: str = "linear",
    level: str = "none",
    ffmpeg: PathLike = "never",
    channel_axis: int | None = None,
) -> npt.NDArray[np.float32]:
    """The frames of a front end, as models take them: float32 ``[frames, bands]``.

    Within 5e-5 of Essentia's algorithms. ``musicnn`` has 96 bands every 16 ms, ``log10(10000 x + 1)`` of the mel-spectrum,
    and ``1 + ceil(n / 256)`` frames for ``n`` samples at 16 kHz.

    Args:
        audio: What :meth:`Extractor.extract` takes.
        sample_rate: The sample rate of an array in Hz; it is converted to that of the front end.
        front_end: ``musicnn``, ``vggish``, ``vggish-original``, ``tempocnn``, ``fsd-sinet``, ``openl3-mel128``,
            ``openl3-mel256`` or ``crepe``. :meth:`Extractor.mel` takes a model's own.
        resampler: ``linear``, as models expect, or ``sinc``.
        level: ``none`` or ``track``, as for an :class:`Extractor`.
        ffmpeg: ``never``, ``auto`` or a path, as for an :class:`Extractor`.
        channel_axis: Which axis of an array is that of the channels, where its shape does not say.

    Raises:
        What :meth:`Extractor.extract` raises.
    """
    return _mel(
        _audio.understand(audio, sample_rate, channel_axis),
        _audio.label(audio),
        front_end=front_end,
        resampler=resampler,
        level=level,
        ffmpeg=os.fspath(ffmpeg),
    )


def _mel(source: _audio.Source, name: str | None, **options: str) -> npt.NDArray[np.float32]:
    listen()
    try:
        if isinstance(source, _audio.FromSamples):
            said = _sleeve.mel_samples(source.samples, source.channels, source.sample_rate, options)
        elif isinstance(source, _audio.FromPath):
            said = _sleeve.mel_file(source.path, options)
        else:
            said = _sleeve.mel_bytes(source.name, source.data, options)
    finally:
        drain()
    warn(said[1], name, 3)
    return said[0]
