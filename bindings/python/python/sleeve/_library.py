"""Music libraries: what sounds alike."""

from __future__ import annotations

import os
import pathlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, Union, overload

import numpy as np

from . import _sleeve
from ._audio import PathLike
from ._errors import Error, SleeveWarning
from ._extractor import Extractor, _count
from ._result import Float32, Result

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_TEXTS = ("artist", "album_artist", "album", "title", "label", "genre")


@dataclass(frozen=True)
class Track:
    """A track of a library.

    Attributes:
        index: Its index in the library as it is open; another state of the file may number its tracks otherwise.
        path: Its file.
        seconds: Its duration.
        artist: The artist; empty where the file does not say, as are the other texts.
        album_artist: The artist of the album.
        album: The album.
        title: The title.
        label: The record label.
        genre: The genre; several are separated by ``; ``.
        year: The year of the recording or release.
        audio_sha256: What identifies the recording, whatever its file's name and tags are, in hexadecimal digits.
    """

    index: int
    path: str
    seconds: float
    artist: str = ""
    album_artist: str = ""
    album: str = ""
    title: str = ""
    label: str = ""
    genre: str = ""
    year: int | None = None
    audio_sha256: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """``artist - title``, or the name of the file."""
        return f"{self.artist} - {self.title}" if self.artist and self.title else os.path.basename(self.path)


class Match(NamedTuple):
    """A track that was found."""

    track: Track
    """The track."""
    cosine: float
    """Its cosine, from -1 to 1: with the query, or in a path with the track before."""
    duplicate_of: Track | None
    """The seed or better match that it is a near-duplicate of, with ``duplicates="list"``."""


#: What a query starts from: a track, its index or path, a result of an extractor (its mean), or a vector ``[dim]``.
Seed: TypeAlias = Union[int, PathLike, Track, Match, Result, np.ndarray]
#: One seed, or several, each alone or with its weight.
Seeds: TypeAlias = Union[Seed, Sequence[Union[Seed, tuple[Seed, float]]]]
#: One name, or several of which one must hold.
Names: TypeAlias = Union[str, Iterable[str]]


@dataclass(frozen=True)
class Filter:
    """Which tracks may be found: those that satisfy everything that is given. Upper and lower case are the same.

    Attributes:
        folder: Folders, relative to the library's or absolute.
        artist: Artists of the track or its album.
        album: Albums.
        label: Record labels.
        genre: Genres.
        years: A year, or the first and the last; ``None`` in place of one of these for no limit. Tracks without a year do
            not pass.
        above: Tags whose activation must be larger than the value: ``{"ambient": 0.3}``.
        below: Tags whose activation must be smaller than the value.
        without: Tracks that must not be found.
    """

    folder: PathLike | Iterable[PathLike] = ()
    artist: Names = ()
    album: Names = ()
    label: Names = ()
    genre: Names = ()
    years: int | tuple[int | None, int | None] | None = None
    above: Mapping[str, float] = field(default_factory=dict)
    below: Mapping[str, float] = field(default_factory=dict)
    without: Iterable[int | Track] = ()

    def _parts(self) -> dict[str, Any]:
        def names(value: Any) -> list[str]:
            return [os.fspath(value)] if isinstance(value, (str, os.PathLike)) else [os.fspath(name) for name in value]

        years = (self.years, self.years) if isinstance(self.years, int) else self.years
        if years is not None:
            first, last = years
            years = (-(2**31) if first is None else int(first), 2**31 - 1 if last is None else int(last))
            if years[0] > years[1]:
                raise ValueError(f"the years {years[0]} to {years[1]} are none")
        return {
            "folders": names(self.folder),
            "artists": names(self.artist),
            "albums": names(self.album),
            "labels": names(self.label),
            "genres": names(self.genre),
            "years": years,
            "above": [(str(name), float(value)) for name, value in self.above.items()],
            "below": [(str(name), float(value)) for name, value in self.below.items()],
            "without": [track.index if isinstance(track, Track) else int(track) for track in self.without],
        }


class Library:
    """A library file: the tracks of a music library, each with one vector, and what sounds alike among them.

    It has a length, and gives :class:`Track` by index and in a loop. The file is mapped into memory, and may be written to meanwhile: this object keeps
    the state that it opened. Searches compare every track, on all cores and without the GIL, and give the same on every
    machine.

    Args:
        path: The library file: of :meth:`index`, ``sleeve similar index`` or :class:`LibraryWriter`.

    Raises:
        FileNotFoundError: There is no such file.
        Error: ``library`` if it is none, is damaged, or is of another version.

    Example:
        >>> import sleeve
        >>> library = sleeve.Library.index("music.library", "~/Music")     # doctest: +SKIP
        >>> [str(match.track) for match in library.find("song.mp3")]       # doctest: +SKIP
        ['Lena Orsa - Nebula', 'Lena Orsa - Cyberwave']
    """

    def __init__(self, path: PathLike) -> None:
        self._path = os.path.abspath(os.fspath(path))
        self._library = _sleeve.Library(self._path)
        model, sha256, output, level = self._library.origin
        self._origin = {"model": model, "sha256": sha256, "output": output, "level": level}
        self._vectors: Float32 | None = None

    @classmethod
    def index(
        cls,
        path: PathLike,
        music: PathLike | Sequence[PathLike],
        *,
        model: PathLike | None = None,
        level: Literal["none", "track"] | None = None,
        patches: bool = False,
        threads: int = 0,
        progress: bool = False,
    ) -> Library:
        """Creates a library file of a folder of music, or updates it, and opens it.

        Only new and changed files are processed; files that were moved keep their vectors, and those that are gone are
        dropped. It is ``sleeve similar index``, in a process of its own, and goes on where an interrupted run stopped.

        Args:
            path: The library file.
            music: A folder, or else everything that belongs to the library: folders, files and playlists.
            model: By default that of the library, or the bundled one for similarity.
            level: ``none`` (as recorded) or ``track`` (each at -14 LUFS). By default that of the library, or ``none``.
            patches: Keeps the vectors of every patch, too.
            threads: 0 means every core.
            progress: Shows a bar.

        Raises:
            Error: ``library`` if it cannot be made, with what the program said.
        """
        # Slow to import, and needed here alone.
        import json
        import subprocess

        inputs = [music] if isinstance(music, (str, os.PathLike)) else list(music)
        places = [os.path.expanduser(os.fspath(place)) for place in inputs]
        command = [sys.executable, "-m", "sleeve", "similar", "index", "--json", "--threads", str(int(threads))]
        command += ["--model", os.fspath(model)] if model is not None else []
        command += ["--level", level] if level is not None else []
        command += ["--patches"] if patches else []
        command += [] if progress else ["--quiet"]
        # A name may begin with a dash.
        command += ["--", os.fspath(path), *places]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE)
        said = (run.stderr or b"").decode("utf-8", "replace").strip()
        # With files that failed the library is made, and the code is 1.
        if not run.stdout.strip():
            raise Error(said or f"sleeve similar index ended with {run.returncode}", "library")
        failed = json.loads(run.stdout).get("failed", 0)
        if failed:
            warnings.warn(f"{failed} files could not be processed\n{said}".rstrip(), SleeveWarning, stacklevel=2)
        return cls(path)

    @property
    def path(self) -> str:
        """The library file."""
        return self._path

    @property
    def root(self) -> str | None:
        """The library's folder; ``None`` if it is not one folder."""
        return self._library.root or None

    @property
    def dim(self) -> int:
        """The number of values of a vector."""
        return self._library.dim

    @property
    def origin(self) -> dict[str, str]:
        """What made the vectors: ``model``, the ``sha256`` of its graph, ``output`` and ``level``."""
        return dict(self._origin)

    @property
    def tags(self) -> tuple[str, ...]:
        """The names of the columns of :attr:`activations`."""
        return tuple(self._library.classes)

    @property
    def vectors(self) -> Float32:
        """The vector of every track, the mean over its patches: float32 ``[tracks, dim]``, read-only, copied once."""
        if self._vectors is None:
            self._vectors = self._library.vectors()
            self._vectors.flags.writeable = False
        return self._vectors

    @property
    def activations(self) -> Float32:
        """The mean activation of every tag for every track: float32 ``[tracks, len(tags)]``, a copy."""
        return self._library.activations()

    @property
    def has_changed(self) -> bool:
        """Whether the file was written to or replaced since it was opened. Opening it again shows the new state."""
        return self._library.has_changed

    def patches(self, track: int | PathLike | Track) -> Float32:
        """The vectors of a track's patches, if the library has them: float32 ``[patches, dim]``; else 0 rows."""
        return self._library.patches(self._index(track))

    def index_of(self, path: PathLike) -> int | None:
        """The index of the track with this path, in the library's folder or absolute; ``None`` if there is none."""
        name = os.fspath(path)
        found = self._library.find_path(name)
        if found is None:
            found = self._library.find_path(os.path.realpath(name))
        return found

    def find(
        self,
        seeds: Seeds,
        count: int = 10,
        *,
        unlike: Seeds = (),
        filter: Filter | None = None,
        max_per_artist: int = 0,
        max_per_album: int = 0,
        duplicates: Literal["keep", "skip", "list"] = "keep",
        duplicate_cosine: float | None = None,
        duplicate_seconds: float | None = None,
        precision: Literal["f32", "int8"] = "f32",
        threads: int = 0,
    ) -> list[Match]:
        """The tracks that are most similar to the seeds, best first.

        Args:
            seeds: A track, its index or path, a :class:`Result` or a vector; or a list of these, each alone or as a tuple
                with its weight. A tuple of two is a seed and its weight only inside a list.
            count: How many; fewer are found only if there are no more.
            unlike: Seeds that tracks are not to be like.
            filter: Which tracks may be found.
            max_per_artist: At most so many tracks of an artist; 0 means no limit.
            max_per_album: At most so many tracks of an album; 0 means no limit.
            duplicates: What becomes of near-duplicates of seeds and better matches: ``keep``, ``skip``, or ``list``, which
                finds them beside the others and names in ``duplicate_of`` what they are like.
            duplicate_cosine: The least cosine of near-duplicates; by default 0.9 for ``sleeve-musicnn-1``, 0.97 for others.
            duplicate_seconds: The largest difference of their durations; by default 2.
            precision: ``int8`` searches 8-bit rows, a quarter of the memory to read, and computes the best 200 again.
            threads: 0 means every core. Results do not depend on it.

        Raises:
            KeyError: A path is not that of a track.
            ValueError: No seeds, seeds that cancel each other, a vector of another size, or a result of another model.
        """
        search = self._search(
            seeds, unlike, count, filter, max_per_artist, max_per_album, duplicates, duplicate_cosine,
            duplicate_seconds, precision, threads,
        )
        return self._matches(self._library.find(search))

    def playlist(
        self,
        seeds: Seeds,
        count: int = 20,
        *,
        unlike: Seeds = (),
        drift: float = 0.3,
        variety: float = 0.0,
        seed: int = 0,
        artist_gap: int = 2,
        begin_with_seed: bool = True,
        filter: Filter | None = None,
        max_per_artist: int = 0,
        max_per_album: int = 0,
        duplicate_cosine: float | None = None,
        duplicate_seconds: float | None = None,
        threads: int = 0,
    ) -> list[Match]:
        """A playlist that goes on from track to track without jumping. No recording comes twice.

        Args:
            seeds: As for :meth:`find`, as are the arguments that are not named here.
            count: The length; it is shorter if there are no more tracks.
            drift: How far it goes away from the seeds, from 0 (every track is near the seeds) to 1 (every track is near the
                one before).
            variety: How much is left to chance, from 0 to 1.
            seed: The same seed gives the same playlist.
            artist_gap: The tracks between two tracks of an artist, at least.
            begin_with_seed: Whether it begins with the first seed, if that is a track.
        """
        search = self._search(
            seeds, unlike, count, filter, max_per_artist, max_per_album, "skip", duplicate_cosine, duplicate_seconds,
            "f32", threads,
        )
        how = (float(drift), float(variety), _count("seed", seed), _count("artist_gap", artist_gap), bool(begin_with_seed))
        return self._matches(self._library.playlist(search, how))

    def path_between(
        self,
        first: int | PathLike | Track,
        last: int | PathLike | Track,
        steps: int = 10,
        *,
        filter: Filter | None = None,
        threads: int = 0,
    ) -> list[Match]:
        """A path of ``steps`` tracks from one track to another, both included, in which neighbours are near each other.

        Raises:
            KeyError: A path is not that of a track.
            ValueError: Both are the same track, fewer than 2 steps, or more than there are tracks.
        """
        parts = (filter or Filter())._parts()
        ends = (self._index(first), self._index(last))
        found = self._library.path_between(ends, _count("steps", steps), parts, _count("threads", threads))
        return self._matches(found)

    def sample(
        self, count: int = 10, *, seed: int = 0, filter: Filter | None = None, threads: int = 0
    ) -> list[Match]:
        """Tracks that cover the library: one by chance, then always the one that is farthest from all before."""
        parts = (filter or Filter())._parts()
        found = self._library.sample(_count("count", count), parts, _count("seed", seed), _count("threads", threads))
        return self._matches(found)

    def duplicates(
        self, *, cosine: float | None = None, seconds: float | None = None, threads: int = 0
    ) -> list[list[Track]]:
        """Groups of tracks that are the same recording, in another encoding or from another release.

        Args:
            cosine: The least cosine of their vectors; by default 0.9 for ``sleeve-musicnn-1``, 0.97 for others.
            seconds: The largest difference of their durations; by default 2.
            threads: 0 means every core.
        """
        groups = self._library.duplicates(_rule(cosine, seconds), _count("threads", threads))
        return [[self[track] for track in group] for group in groups]

    @overload
    def to_table(self, *, to: Literal["pandas"] = ...) -> pandas.DataFrame: ...
    @overload
    def to_table(self, *, to: Literal["polars"]) -> polars.DataFrame: ...
    @overload
    def to_table(self, *, to: Literal["arrow"]) -> pyarrow.Table: ...

    def to_table(self, *, to: Literal["pandas", "polars", "arrow"] = "pandas") -> Any:
        """A row for every track: ``path``, ``seconds``, tags, ``year``, ``embedding``, and ``tag.NAME`` for activations.

        Args:
            to: ``pandas``, ``polars`` or ``arrow``, which writes Parquet.

        Raises:
            ImportError: What ``to`` names is not installed.
        """
        if to not in ("pandas", "polars", "arrow"):
            raise ValueError(f"to must be 'pandas', 'polars' or 'arrow', not {to!r}")
        # A path that is not UTF-8 has bytes that no table holds.
        paths = [track.path.encode("utf-8", "backslashreplace").decode() for track in self]
        plain: dict[str, list[Any]] = {"path": paths, "seconds": [track.seconds for track in self]}
        plain |= {name: [getattr(track, name) for track in self] for name in _TEXTS}
        years = [track.year for track in self]
        activations = {f"tag.{name}": column for name, column in zip(self.tags, self.activations.T, strict=True)}
        if to == "pandas":
            import pandas

            rows = np.empty(len(self), dtype=object)
            rows[:] = list(self.vectors)
            return pandas.DataFrame(
                {**plain, "year": pandas.array(years, dtype="Int64"), "embedding": rows, **activations}
            )
        if to == "polars":
            import polars

            columns = [polars.Series(name, values) for name, values in plain.items()]
            columns.append(polars.Series("year", years, polars.Int64))
            columns.append(polars.Series("embedding", self.vectors, polars.Array(polars.Float32, self.dim)))
            columns += [polars.Series(name, np.ascontiguousarray(column)) for name, column in activations.items()]
            return polars.DataFrame(columns)
        import pyarrow

        arrays: dict[str, Any] = {name: pyarrow.array(values) for name, values in plain.items()}
        arrays["year"] = pyarrow.array(years, pyarrow.int64())
        flat = pyarrow.array(self.vectors.reshape(-1))
        arrays["embedding"] = pyarrow.FixedSizeListArray.from_arrays(flat, self.dim)
        return pyarrow.table({**arrays, **{name: pyarrow.array(column) for name, column in activations.items()}})

    def __len__(self) -> int:
        return len(self._library)

    @overload
    def __getitem__(self, index: int) -> Track: ...
    @overload
    def __getitem__(self, index: slice) -> list[Track]: ...

    def __getitem__(self, index: int | slice) -> Track | list[Track]:
        """The track of this index; negative ones count from the end."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"no track {index}: the library has {len(self)}")
        path, seconds, sha256, artist, album_artist, album, title, label, genre, year = self._library.track(number)
        digits = None if sha256 is None else bytes(sha256).hex()
        return Track(number, path, seconds, artist, album_artist, album, title, label, genre, year, digits)

    def __iter__(self) -> Iterator[Track]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        return f"Library({self._path!r}: {len(self)} tracks, {self._origin['model']})"

    def __reduce__(self) -> tuple[type[Library], tuple[str]]:
        return (Library, (self._path,))

    def _index(self, track: int | PathLike | Track) -> int:
        if isinstance(track, Track):
            track = track.index
        if isinstance(track, (str, os.PathLike)):
            found = self.index_of(track)
            if found is None:
                raise KeyError(f"{os.fspath(track)}: not a track of {self._path}; extract it, and give the result")
            return found
        number = int(track)
        if not 0 <= number < len(self):
            raise IndexError(f"no track {number}: the library has {len(self)}")
        return number

    def _vector(self, seed: Any) -> Any:
        """A seed as the compiled half takes it: an index or a vector."""
        if isinstance(seed, Match):
            seed = seed.track
        if isinstance(seed, Result):
            output = seed.outputs[seed.outputs.index_of("embeddings")]
            if output.model != self._origin["model"] or output.tensor != self._origin["output"]:
                made = f"{self._origin['output']} of {self._origin['model']}"
                raise ValueError(f"a result of {output.tensor} of {output.model}; the library's vectors are {made}")
            return seed.mean()
        if isinstance(seed, np.ndarray):
            if seed.shape != (self.dim,):
                raise ValueError(f"a vector of shape {seed.shape}; the library's have ({self.dim},)")
            return np.ascontiguousarray(seed, np.float32)
        if isinstance(seed, (int, np.integer, str, os.PathLike, Track)) and not isinstance(seed, bool):
            return self._index(seed)  # type: ignore[arg-type]
        raise TypeError(f"a seed is a track, its index or path, a Result or an array, not {type(seed).__name__}")

    def _seeds(self, seeds: Any, sign: float) -> list[tuple[Any, float]]:
        alone = isinstance(seeds, (str, os.PathLike, int, np.integer, np.ndarray, Track, Match, Result))
        several: Iterable[Any] = [seeds] if alone else seeds
        found = []
        for seed in several:
            # A match is a tuple, too.
            one, weight = (seed, 1.0) if isinstance(seed, Match) or not isinstance(seed, tuple) else seed
            found.append((self._vector(one), sign * float(weight)))
        return found

    def _search(
        self,
        seeds: Any,
        unlike: Any,
        count: int,
        filter: Filter | None,
        max_per_artist: int,
        max_per_album: int,
        duplicates: str,
        duplicate_cosine: float | None,
        duplicate_seconds: float | None,
        precision: str,
        threads: int,
    ) -> dict[str, Any]:
        if duplicates not in ("keep", "skip", "list"):
            raise ValueError(f"duplicates must be 'keep', 'skip' or 'list', not {duplicates!r}")
        if precision not in ("f32", "int8"):
            raise ValueError(f"precision must be 'f32' or 'int8', not {precision!r}")
        return {
            "seeds": self._seeds(seeds, 1.0) + self._seeds(unlike, -1.0),
            "count": _count("count", count),
            "filter": (filter or Filter())._parts(),
            "max_per_artist": _count("max_per_artist", max_per_artist),
            "max_per_album": _count("max_per_album", max_per_album),
            "duplicates": duplicates,
            "rule": _rule(duplicate_cosine, duplicate_seconds),
            "precision": precision,
            "threads": _count("threads", threads),
        }

    def _matches(self, found: list[tuple[int, float, int | None]]) -> list[Match]:
        return [Match(self[at], cosine, None if of is None else self[of]) for at, cosine, of in found]


class LibraryWriter:
    """Writes a library file of vectors that one has: of an :class:`Extractor`, or from elsewhere.

    As a context manager it finishes at the end of the block, and leaves out what was not flushed if the block raises. One
    writer at a time: the file is locked. An existing library is replaced by the first flush, and stays as it is if there is
    none.

    Args:
        path: The library file.
        extractor: What makes the vectors. Its embeddings, and its tags if it has some, are recorded as what the library
            consists of.
        model: In place of an extractor, a name for what made the vectors.
        dim: With ``model``, the number of values of a vector.
        tags: With ``model``, the names of the activations that each track has.
        version: With ``model``, what libraries of another version of it are told by, such as a hash of its weights.
        root: The folder of the music. Tracks inside are recorded by their path in it, so that it can be moved.

    Raises:
        Error: ``library`` if another process is writing it; ``io`` and ``OSError`` if it cannot be written.

    Example:
        >>> import numpy, sleeve
        >>> with sleeve.LibraryWriter("own.library", model="mine", dim=2) as writer:    # doctest: +SKIP
        ...     writer.add("a.mp3", numpy.array([0.1, 0.9]), seconds=180.0, artist="A")
    """

    def __init__(
        self,
        path: PathLike,
        extractor: Extractor | None = None,
        *,
        model: str | None = None,
        dim: int | None = None,
        tags: Sequence[str] = (),
        version: str = "",
        root: PathLike | None = None,
    ) -> None:
        folder = "" if root is None else os.path.realpath(os.path.expanduser(os.fspath(root)))
        file = os.path.abspath(os.fspath(path))
        if extractor is not None:
            if model is not None or dim is not None or tags:
                raise ValueError("give an extractor, or model and dim, not both")
            self._start(_sleeve.LibraryWriter.create(file, folder, extractor._core))
        elif model is None or dim is None:
            raise ValueError("a library needs an extractor, or the name of a model and its number of values (dim)")
        else:
            names = [str(name) for name in tags]
            made = _sleeve.LibraryWriter.create_other(file, folder, model, version, _count("dim", dim), names)
            self._start(made)

    @classmethod
    def open(cls, path: PathLike) -> LibraryWriter:
        """Opens an existing library file for writing."""
        writer = cls.__new__(cls)
        writer._start(_sleeve.LibraryWriter.open(os.path.abspath(os.fspath(path))))
        return writer

    def _start(self, writer: _sleeve.LibraryWriter) -> None:
        self._writer = writer
        self._root, self._dim, self._classes, self._model, _ = writer.origin

    def add(
        self,
        path: PathLike,
        vector: Result | np.ndarray,
        *,
        seconds: float | None = None,
        activations: np.ndarray | None = None,
        patches: bool = False,
        artist: str = "",
        album_artist: str = "",
        album: str = "",
        title: str = "",
        label: str = "",
        genre: str = "",
        year: int | None = None,
    ) -> None:
        """Adds a track.

        Args:
            path: Its file. If it exists, its size, time and audio are recorded, by which ``sleeve similar index`` knows it
                again; it is read for that.
            vector: A :class:`Result`, of which the means are taken, or a vector ``[dim]``.
            seconds: The duration; that of a result is known.
            activations: The activations ``[len(tags)]`` beside a vector, if the library has some.
            patches: Keeps the vectors of a result's patches, too.

        Raises:
            ValueError: A vector of another size or without a direction, a result of another model, a duration that is
                none, a text of more than 64 KiB.
            Error: ``no_output`` for a result without a patch.
        """
        rows = np.empty((0, self._dim), np.float32)
        if isinstance(vector, Result):
            output = vector.outputs[vector.outputs.index_of("embeddings")]
            if output.model != self._model:
                raise ValueError(f"a result of {output.model}; the library is of {self._model}")
            mean = vector.mean()
            activations = vector.tags.mean() if self._classes else None
            seconds = vector.seconds if seconds is None else seconds
            rows = np.ascontiguousarray(vector.embeddings) if patches else rows
        else:
            mean = np.ascontiguousarray(vector, np.float32)
        if seconds is None:
            raise ValueError("a vector needs the duration of its track: seconds")
        if mean.ndim != 1:
            raise ValueError(f"a vector of shape {mean.shape}; the library's have ({self._dim},)")
        means = np.empty(0, np.float32) if activations is None else np.ascontiguousarray(activations, np.float32)
        place = pathlib.Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
        real = pathlib.Path(os.path.realpath(place))
        recorded = real.relative_to(self._root) if self._root and real.is_relative_to(self._root) else place
        track = {
            "path": str(recorded),
            "file": str(place) if place.is_file() else "",
            "seconds": float(seconds),
            "artist": artist,
            "album_artist": album_artist,
            "album": album,
            "title": title,
            "label": label,
            "genre": genre,
            "year": year,
        }
        self._writer.add(track, mean, means.reshape(-1), rows)

    def remove(self, track: int | Track) -> None:
        """Removes a track of the library as it was when the writer was made."""
        self._writer.remove(track.index if isinstance(track, Track) else int(track))

    def flush(self) -> None:
        """Writes what was added and removed, and waits for the disk. Whoever opens the library then sees it."""
        self._writer.flush()

    def finish(self) -> None:
        """Flushes, and ends the writer."""
        self._writer.finish()

    def __enter__(self) -> LibraryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.finish()
        else:
            self._writer.abandon()


def _rule(cosine: float | None, seconds: float | None) -> tuple[float | None, float | None]:
    if (cosine is not None and not -1 <= cosine <= 1) or (seconds is not None and not seconds >= 0):
        raise ValueError("near-duplicates: the cosine must be between -1 and 1, and the seconds not negative")
    return (None if cosine is None else float(cosine), None if seconds is None else float(seconds))
