"""Weight files (`.caffemodel`), solver states (`.solverstate`) and mean files (`.binaryproto`).

Arrays are read as views of the file's bytes, without a copy and without protobuf; files in the forms V1 and V0, with
four sizes instead of a shape, with unpacked or double values are read as well.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from os import PathLike

from netc.errors import Code, Diagnostic, NetError
from netc.files import read_regular
from netc.schema import codes
from netc.schema.blobs import Array, BlobError, blob
from netc.schema.bvlc.legacy import V1_TYPES
from netc.schema.not_weights import Format, recognize
from netc.schema.scan import BYTES, FIXED32, VARINT, WireError, scan, signed
from netc.schema.upgrade_v0 import V0_TYPES

FilePath = str | PathLike[str]

MOST_BYTES = 1 << 31
"""Larger files are refused unread: protobuf knows no longer messages."""

WEIGHTS, STATE = "a weight file (.caffemodel)", "a solver state (.solverstate)"
UNNAMED = "<bytes>"
_V1_BY_NUMBER = dict(V1_TYPES.values())


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The parameters of one layer; `diffs` are their gradients, where a file keeps them.

    sparse: the blobs, by place, of which a file is to hold only the values that are not zero.
    Arrays that were read are read-only and may start at any byte: copy them before computing with them.
    """

    name: str
    type: str
    blobs: tuple[Array, ...] = ()
    diffs: tuple[Array, ...] = ()
    sparse: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Weights:
    """What a weight file holds: the net's name and its layers in their order, those without parameters too."""

    name: str
    layers: tuple[LayerWeights, ...]


@dataclass(frozen=True, slots=True)
class SolverState:
    """What training needs to go on, besides the weights."""

    iter: int
    learned_net: str = ""
    current_step: int = 0
    history: tuple[Array, ...] = ()
    minimum_loss: float | None = None
    iter_last_event: int = 0


def parse_weights(data: bytes, path: str = UNNAMED) -> Weights:
    """The weights in the bytes of a NetParameter message; `path` is the name diagnostics show."""
    name, layers = "", []
    with Reading(path, data, WEIGHTS):
        for number, wire, start, end in scan(data):
            if wire != BYTES:
                continue
            if number == 1:
                name = _text(data, start, end)
            elif number == 100:
                layers.append(_layer(data, start, end))
            elif number == 2:
                layers.append(_layer_v1(data, start, end))
        if not layers:
            raise WireError("it holds no layers", 0)
    return Weights(name, tuple(layers))


def parse_solver_state(data: bytes, path: str = UNNAMED) -> SolverState:
    """The state in the bytes of a SolverState message; `path` is the name diagnostics show."""
    iter, learned_net, current_step = None, "", 0
    minimum, last_event = None, 0
    history: list[Array] = []
    with Reading(path, data, STATE):
        for number, wire, start, end in scan(data):
            if number == 1 and wire == VARINT:
                iter = signed(start, 32)
            elif number == 2 and wire == BYTES:
                learned_net = _text(data, start, end)
            elif number == 3 and wire == BYTES:
                history.append(blob(data, start, end, f"history {len(history)}")[0])
            elif number == 4 and wire == VARINT:
                current_step = signed(start, 32)
            elif number == 5 and wire == FIXED32:
                minimum = float(struct.unpack("<f", data[start:end])[0])
            elif number == 6 and wire == VARINT:
                last_event = signed(start, 32)
        if iter is None and not history:
            raise WireError("it holds neither an iteration nor a history", 0)
    return SolverState(iter or 0, learned_net, current_step, tuple(history), minimum, last_event)


def read_blob(path: FilePath) -> Array:
    """The array in a `.binaryproto` file (a mean image, for example). Raises NetError (SNP001 to SNP004)."""
    data = read_file(path)
    return parse_blob(data, str(path))


def parse_blob(data: bytes, path: str = UNNAMED) -> Array:
    """The array in the bytes of a BlobProto message; `path` is the name diagnostics show."""
    with Reading(path, data, "a blob file (.binaryproto)"):
        array = blob(data, 0, len(data), "the blob")[0]
        if not array.size:
            raise WireError("it holds no values", 0)
    return array


def read_file(path: FilePath, most: int = MOST_BYTES) -> bytes:
    """All bytes of a regular file. Raises NetError (SNP004) with the reason if it cannot be read, or has more."""
    try:
        return read_regular(path, most)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: FilePath, error: OSError) -> NetError:
    """SNP004 for a file that cannot be read."""
    return NetError(Diagnostic(codes.UNREADABLE, f"{path}: {(error.strerror or str(error)).lower()}"))


class Reading:
    """Turns what is wrong with the bytes into a diagnostic that names the file."""

    def __init__(self, path: str, data: bytes, kind: str) -> None:
        self.path = path
        self.data = data
        self.kind = kind

    def __enter__(self) -> None:
        if not self.data:
            raise NetError(Diagnostic(codes.TRUNCATED, f"{self.path} is empty; {self.kind} was expected"))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WireError):
            raise NetError(self._diagnostic(error)) from None

    def _other(self) -> Format | None:
        """What the bytes are, if they are the other file of a snapshot."""
        if self.path == UNNAMED:
            return None  # it is this question that asks
        return _OTHERS.get(self.kind, lambda _: None)(self.data)

    def _diagnostic(self, error: WireError) -> Diagnostic:
        what = recognize(self.data)
        if what is not None:
            return Diagnostic(codes.FOREIGN, f"{self.path} is not {self.kind}: it is {what.name}", help=what.help)
        if other := self._other():
            return Diagnostic(codes.FOREIGN, f"{self.path} is not {self.kind}: it is {other.name}", help=other.help)
        if isinstance(error, BlobError):
            return Diagnostic(codes.BAD_BLOB, f"{self.path}: {error.message}")
        code: Code = codes.TRUNCATED if error.truncated else codes.FOREIGN
        size = len(self.data)
        said = f"{self.path} ends too early" if error.truncated else f"{self.path} is not {self.kind}"
        return Diagnostic(code, f"{said}: {error.message} (at byte {error.offset} of {size})")


def _state_of(data: bytes) -> Format | None:
    """What to say of a solver's state that was given for something else; None if the bytes are none."""
    try:
        state = parse_solver_state(data)
    except NetError:
        return None
    weights = state.learned_net or "the .caffemodel that was written with it"
    return Format("a solver's state (.solverstate)", f"go on from it with --snapshot, or give its weights: {weights}")


def _weights_of(data: bytes) -> Format | None:
    """What to say of weights that were given for something else; None if the bytes are none."""
    try:
        parse_weights(data)
    except NetError:
        return None
    help = "start from them with --weights; a run goes on from its .solverstate"
    return Format("a net's weights (.caffemodel)", help)


_OTHERS = {WEIGHTS: _state_of, STATE: _weights_of}


def _text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode("utf-8", "surrogateescape")


def _layer(data: bytes, start: int, end: int) -> LayerWeights:
    """A LayerParameter: name 1, type 2, blobs 7."""
    found = _by_number(data, start, end)
    return _made(data, _last_text(data, found[1]), _last_text(data, found[2]), found[7])


def _layer_v1(data: bytes, start: int, end: int) -> LayerWeights:
    """A V1LayerParameter: layer 1 (V0), name 4, type 5 (a number), blobs 6."""
    found = _by_number(data, start, end)
    if found[1]:
        return _layer_v0(data, *found[1][0])
    numbers = [first for number, wire, first, _ in scan(data, start, end) if (number, wire) == (5, VARINT)]
    return _made(data, _last_text(data, found[4]), _V1_BY_NUMBER.get(numbers[-1], "") if numbers else "", found[6])


def _layer_v0(data: bytes, start: int, end: int) -> LayerWeights:
    """A V0LayerParameter: name 1, type 2, blobs 50."""
    found = _by_number(data, start, end)
    type = V1_TYPES[V0_TYPES.get(_last_text(data, found[2]), "NONE")][1] if found[2] else ""
    return _made(data, _last_text(data, found[1]), type, found[50])


def _by_number(data: bytes, start: int, end: int) -> defaultdict[int, list[tuple[int, int]]]:
    """Where the texts and messages of a message are, by field."""
    found = defaultdict[int, list[tuple[int, int]]](list)
    for number, wire, first, last in scan(data, start, end):
        if wire == BYTES:
            found[number].append((first, last))
    return found


def _last_text(data: bytes, places: list[tuple[int, int]]) -> str:
    """The value of a singular field, which is its last one; "" if there is none."""
    return _text(data, *places[-1]) if places else ""


def _made(data: bytes, name: str, type: str, blobs: list[tuple[int, int]]) -> LayerWeights:
    read = [blob(data, *place, f"layer {name}, blob {i}") for i, place in enumerate(blobs)]
    diffs = tuple(diff for _, diff in read if diff is not None)
    return LayerWeights(name, type, tuple(array for array, _ in read), diffs if len(diffs) == len(read) else ())
