"""Snapshots in HDF5, as Caffe lays them out.

Weights: `/data/LAYER/I` holds blob I, `/diff/LAYER/I` its gradient. State: `/iter`, `/current_step`, `/learned_net` and
`/history/I`; netc's own `/training` is skipped by Caffe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from netc.errors import Diagnostic, NetError, Report
from netc.files import open_regular
from netc.layer import Array
from netc.schema.weights import LayerWeights, SolverState, Weights, unreadable
from netc.solve.codes import BAD_HDF5, NAMES_CLASH, NO_H5PY

_MAGIC = b"\x89HDF\r\n\x1a\n"
_ROOM = 1 << 20  # bytes that a blob may have beyond 1000 times the size of its file: more is a bomb


def is_hdf5(path: Path) -> bool:
    """Whether a file is, or is to be, HDF5: by its first bytes, or by its name."""
    try:
        return _begins_as_hdf5(path)
    except OSError:
        return path.suffix == ".h5"


def _begins_as_hdf5(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(len(_MAGIC)) == _MAGIC


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
            group = data.require_group(layer.name)
            for index, blob in enumerate(layer.blobs):
                group.create_dataset(str(index), data=np.asarray(blob))
            for index, blob in enumerate(layer.diffs):
                out.require_group(f"diff/{layer.name}").create_dataset(str(index), data=np.asarray(blob))


def write_state(file: BinaryIO, state: SolverState, training: bytes) -> None:
    """Write a solver's state, and the bytes of a TrainingState."""
    with _h5py().File(file, "w") as out:
        out.create_dataset("iter", data=np.array([state.iter], np.int32))
        out.create_dataset("current_step", data=np.array([state.current_step], np.int32))
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
        data = _group(file, "data", path)
        diff = _group(file, "diff", path) if "diff" in file else {}
        found = [
            LayerWeights(name, "", _blobs(group, path), _blobs(_inside(diff, name, path), path))
            for name, group in _layers(data, path)
        ]
    return Weights("", tuple(found))


def read_state(path: Path) -> tuple[SolverState, bytes]:
    """A solver's state and the bytes of its TrainingState (empty in Caffe's own). Raises as `read_weights`."""
    with _opened(path) as file:
        history = _blobs(_group(file, "history", path), path)
        name = bytes(_array(file, "learned_net", path)[()]) if "learned_net" in file else b""
        training = _array(file, "training", path).tobytes() if "training" in file else b""
        numbers = [int(_array(file, key, path).reshape(-1)[0]) for key in ("iter", "current_step")]
    learned_net = name.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return SolverState(numbers[0], learned_net, numbers[1], history), training


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        fits = _begins_as_hdf5(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if not fits:
        raise NetError(Diagnostic(BAD_HDF5, f"{path} is not an HDF5 file"))
    try:
        with _h5py().File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, ValueError, IndexError, TypeError) as error:
        raise NetError(Diagnostic(BAD_HDF5, f"{path} cannot be read: {error}")) from None


def _layers(group: Any, path: Path, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every group is a layer, with its numbered arrays as blobs; a name with slashes is a group in a group."""
    for name in group:
        inner = _member(group, name, path)
        if isinstance(inner, _h5py().Group):
            yield prefix + name, inner
            yield from _layers(inner, path, f"{prefix}{name}/")


def _inside(group: Any, name: str, path: Path) -> Any:
    for part in name.split("/"):
        if part not in group:
            return {}
        group = _group(group, part, path)
    return group


def _blobs(group: Any, path: Path) -> tuple[Array, ...]:
    dataset = _h5py().Dataset
    count = sum(name.isdigit() and group.get(name, getclass=True) is dataset for name in group)
    return tuple(_array(group, str(index), path) for index in range(count))


def _group(parent: Any, name: str, path: Path) -> Any:
    found = _member(parent, name, path)
    if not isinstance(found, _h5py().Group):
        raise _bad(path, f"{name} is not a group")
    return found


def _array(parent: Any, name: str, path: Path) -> Array:
    found = _member(parent, name, path)
    if not isinstance(found, _h5py().Dataset) or found.dtype.kind not in "fiuS" or found.external or found.is_virtual:
        raise _bad(path, f"{name} is not an array of numbers in this file")
    if found.nbytes > 1000 * path.stat().st_size + _ROOM:
        raise _bad(path, f"{name} is declared with {found.nbytes} bytes")
    array: Array = np.asarray(found[()])
    return array


def _member(parent: Any, name: str, path: Path) -> Any:
    if name not in parent:
        raise _bad(path, f"it has no {name}")
    if not isinstance(parent.get(name, getlink=True), _h5py().HardLink):
        raise _bad(path, f"{name} is a link to something else")
    return parent[name]


def _bad(path: Path, reason: str) -> NetError:
    return NetError(Diagnostic(BAD_HDF5, f"{path}: {reason}"))


def _h5py() -> Any:
    try:
        import h5py  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise NetError(Diagnostic(NO_H5PY, "h5py is not installed", help="pip install netc[data]")) from None
    return h5py
