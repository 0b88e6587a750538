"""Snapshots in HDF5, as Caffe lays them out.

Weights: `/data/LAYER/I` holds blob I, `/diff/LAYER/I` its gradient. State: `/iter`, `/current_step`, `/learned_net` and
`/history/I`; netc's own `/training` is skipped by Caffe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from netc.errors import Diagnostic, NetError, Report
from netc.files import open_regular
from netc.formats import LONGEST, format_of
from netc.layer import Array
from netc.schema.weights import LayerWeights, SolverState, Weights, unreadable
from netc.solve.codes import BAD_HDF5, NAMES_CLASH, NO_H5PY
from netc.untrusted import budget, library

_DEEPEST = 32  # groups inside groups: slashes in a layer's name


def is_hdf5(path: Path) -> bool:
    """Whether a file is, or is to be, HDF5: by its first bytes, or by its name."""
    try:
        return _begins_as_hdf5(path)
    except OSError:
        return path.suffix == ".h5"


def _begins_as_hdf5(path: Path) -> bool:
    with open_regular(path) as file:
        return format_of(file.read(LONGEST)) == "HDF5"


# ---------------------------------------------------------------- writing


def check_names(layers: Iterable[tuple[str, int]], report: Report) -> None:
    """Report layers (name, number of blobs) that cannot stand in one file (SNP028)."""
    counts: dict[str, int] = {}
    for name, blobs in layers:
        if name in counts and blobs:
            report.error(NAMES_CLASH, f'two layers are called "{name}"')
        counts[name] = max(blobs, counts.get(name, 0))
    for name in counts:
        parts = name.split("/")
        if "\0" in name or not {"", "."}.isdisjoint(parts):
            report.error(
                NAMES_CLASH, f'"{name}" cannot be the name of a group: it has a part that is empty, a dot or zero'
            )
        for end in range(1, len(parts)):
            other, index = "/".join(parts[:end]), parts[end]
            if index.isdecimal() and str(int(index)) == index and int(index) < counts.get(other, 0):
                report.error(NAMES_CLASH, f'layer "{name}" would stand where blob {index} of layer "{other}" stands')


def write_weights(file: BinaryIO, layers: Iterable[LayerWeights]) -> None:
    """Write layers with their blobs (and gradients, where they have them). Raises NetError(SNP028)."""
    layers, report = tuple(layers), Report()
    check_names(((layer.name, len(layer.blobs)) for layer in layers), report)
    report.finish()
    with _h5py().File(file, "w") as out:
        data = out.create_group("data")
        for layer in layers:
            group = _made(data, layer.name)
            for index, blob in enumerate(layer.blobs):
                packing = "gzip" if index in layer.sparse and blob.size else None
                group.create_dataset(str(index), data=np.asarray(blob), compression=packing)
            for index, blob in enumerate(layer.diffs):
                _made(out, f"diff/{layer.name}").create_dataset(str(index), data=np.asarray(blob))


def write_state(file: BinaryIO, state: SolverState, training: bytes) -> None:
    """Write a solver's state, and the bytes of a TrainingState."""
    with _h5py().File(file, "w") as out:
        out.create_dataset("iter", data=np.array([state.iter], np.int32))
        out.create_dataset("current_step", data=np.array([state.current_step], np.int32))
        if state.minimum_loss is not None:
            out.create_dataset("minimum_loss", data=np.array([state.minimum_loss], np.float32))
            out.create_dataset("iter_last_event", data=np.array([state.iter_last_event], np.int32))
        name = state.learned_net.encode("utf-8", "surrogateescape")
        out.create_dataset("learned_net", data=np.array(name, f"S{len(name) + 1}"))  # Caffe needs the zero at the end
        history = out.create_group("history")
        for index, blob in enumerate(state.history):
            history.create_dataset(str(index), data=blob)
        out.create_dataset("training", data=np.frombuffer(training, np.uint8))


# ---------------------------------------------------------------- reading


def read_weights(path: Path) -> Weights:
    """The layers of a weight file. Raises NetError: SNP004, SNP025, SNP026."""
    with _opened(path) as file:
        data, diff = file.group(file.root, "data"), file.group(file.root, "diff") if "diff" in file.root else {}
        found = [
            LayerWeights(name, "", file.blobs(group), file.blobs(file.inside(diff, name)))
            for name, group in file.layers(data)
        ]
    return Weights("", tuple(found))


def read_state(path: Path) -> tuple[SolverState, bytes]:
    """A solver's state and the bytes of its TrainingState (empty in Caffe's own). Raises as `read_weights`."""
    with _opened(path) as file:
        history = file.blobs(file.group(file.root, "history"))
        name, training = (
            file.array(file.root, key).tobytes() if key in file.root else b"" for key in ("learned_net", "training")
        )
        numbers = [file.number(file.root, key) for key in ("iter", "current_step")]
        minimum = float(file.array(file.root, "minimum_loss").flat[0]) if "minimum_loss" in file.root else None
        last_event = file.number(file.root, "iter_last_event") if minimum is not None else 0
    learned_net = name.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return SolverState(numbers[0], learned_net, numbers[1], history, minimum, last_event), training


def read_array(path: Path, name: str) -> Array | None:
    """An array of a file, or None if it holds none of this name. Raises as `read_weights`."""
    with _opened(path) as file:
        return file.array(file.root, name) if name in file.root else None


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    try:
        fits = _begins_as_hdf5(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if not fits:
        raise NetError(Diagnostic(BAD_HDF5, f"{path} is not an HDF5 file"))
    opener = _h5py().File

    def refuse(reason: str) -> NetError:
        return NetError(Diagnostic(BAD_HDF5, f"{path} cannot be read: {reason}"))

    with library(refuse), opener(path, "r") as root:
        yield _File(path, root)


class _File:
    """An open file, read within the budget of its size. What is no plain part of it raises NetError(SNP026)."""

    def __init__(self, path: Path, root: Any) -> None:
        self.path, self.root = path, root
        self._left = budget(path.stat().st_size)

    def layers(self, group: Any, prefix: str = "", seen: set[Any] | None = None) -> Iterator[tuple[str, Any]]:
        """Every group is a layer, with its numbered arrays as blobs; a name with slashes is a group in a group."""
        seen = set() if seen is None else seen
        for name in map(_name, group):
            inner = self.member(group, name)
            if not isinstance(inner, _h5py().Group):
                continue
            if inner.id in seen or prefix.count("/") > _DEEPEST:
                raise self.bad(f"the group {prefix}{name} stands inside of itself, or in two places")
            seen.add(inner.id)
            yield prefix + name, inner
            yield from self.layers(inner, f"{prefix}{name}/", seen)

    def inside(self, group: Any, name: str) -> Any:
        for part in name.split("/"):
            if not _has(group, part):
                return {}
            group = self.group(group, part)
        return group

    def blobs(self, group: Any) -> tuple[Array, ...]:
        dataset = _h5py().Dataset
        count = sum(_name(name).isdigit() and group.get(name, getclass=True) is dataset for name in group)
        return tuple(self.array(group, str(index)) for index in range(count))

    def group(self, parent: Any, name: str) -> Any:
        found = self.member(parent, name)
        if not isinstance(found, _h5py().Group):
            raise self.bad(f"{name} is not a group")
        return found

    def array(self, parent: Any, name: str) -> Array:
        found = self.member(parent, name)
        plain = isinstance(found, _h5py().Dataset) and found.dtype.kind in "fiuS"
        if not plain or found.external or found.is_virtual or found.shape is None:
            raise self.bad(f"{name} is not an array of numbers in this file")
        declared = max(found.nbytes, prod(found.chunks or (0,)) * found.dtype.itemsize)
        if declared > self._left:
            raise self.bad(f"{name} is declared with {declared:,} bytes; a file of its size has {self._left:,} left")
        self._left -= declared
        array: Array = np.asarray(found[()])
        return array

    def number(self, parent: Any, name: str) -> int:
        found = self.array(parent, name)
        if found.size != 1 or found.dtype.kind not in "iu" or not -(2**31) <= found.reshape(-1)[0] < 2**31:
            raise self.bad(f"{name} is not a whole number of 32 bits")
        return int(found.reshape(-1)[0])

    def member(self, parent: Any, name: str) -> Any:
        if not _has(parent, name):
            raise self.bad(f"it has no {name}")
        if parent.id.links.get_info(_bytes(name)).type != _h5py().h5l.TYPE_HARD:
            raise self.bad(f"{name} is a link to something else")
        return parent[_key(name)]

    def bad(self, reason: str) -> NetError:
        return NetError(Diagnostic(BAD_HDF5, f"{self.path}: {reason}"))


def _key(name: str) -> str | bytes:
    """A name as h5py takes it: text, or bytes if it is no UTF-8 (names are bytes to Caffe)."""
    try:
        return _bytes(name).decode()
    except UnicodeDecodeError:
        return _bytes(name)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _has(group: Any, name: str) -> bool:
    """Whether a group has a member; h5py's own `in` takes only UTF-8."""
    return bool(isinstance(group, _h5py().Group) and name and group.id.links.exists(_bytes(name)))


def _made(group: Any, name: str) -> Any:
    """The group of a name with slashes inside of a group; made if it is not there."""
    for part in name.split("/"):
        group = group[_key(part)] if _has(group, part) else group.create_group(_key(part))
    return group


def _name(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")


def _h5py() -> Any:
    try:
        import h5py  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise NetError(Diagnostic(NO_H5PY, "h5py is not installed", help="pip install netc[data]")) from None
    return h5py
