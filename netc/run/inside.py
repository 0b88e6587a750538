"""What a net has inside, by name: mappings that look blobs and parameters up when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from netc.errors import Code, Diagnostic, NetError, suggest
from netc.layer import Array
from netc.run.codes import BLOB_REUSED, UNKNOWN_BLOB, UNKNOWN_LAYER
from netc.run.parameters import Parameter

T = TypeVar("T")


class Params(Mapping[str, tuple[Array, ...]]):
    """Arrays are lent when a layer's are asked for: as long as somebody holds them, passes look at them."""

    def __init__(self, blobs: dict[str, tuple[Parameter, ...]]) -> None:
        self._blobs = blobs

    def __getitem__(self, key: str) -> tuple[Array, ...]:
        return tuple(blob.data for blob in self._blobs[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def __repr__(self) -> str:
        return repr(dict(self))


class Blobs(Mapping[str, Array]):
    """Arrays by blob name; `read` gives a value's, None if its memory holds something else (RUN012)."""

    def __init__(self, names: dict[str, int], read: Callable[[int], Array | None]) -> None:
        self._names = names
        self._read = read

    def __getitem__(self, name: str) -> Array:
        array = self._read(lookup(self._names, name, UNKNOWN_BLOB))
        if array is None:
            message = f'blob "{name}" is gone: its memory holds something else, or it has not been computed yet'
            raise NetError(Diagnostic(BLOB_REUSED, message, help="plan the net with keep=True"))
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def lookup(names: Mapping[str, T], name: str, code: Code, kind: str = "") -> T:
    """What has this name; raises NetError with the code, and the name that could be meant."""
    if name in names:
        return names[name]
    kind = kind or ("layer" if code is UNKNOWN_LAYER else "blob")
    close = suggest(name, names)
    known = f'did you mean "{close}"?' if close else f"it has {', '.join(names) or 'none'}"
    raise NetError(Diagnostic(code, f'the net has no {kind} "{name}"', help=known))
