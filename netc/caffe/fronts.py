"""The arrays that a script sees of blobs, where these are computed elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.layer import Array, Shape
from netc.run.values import Values


class Fronts:
    """One array a blob name. It stays the same one as long as the blob keeps its shape, so a script may hold it.

    A front is *wanted* while a script holds it, and until the pass after the next if it was asked for.
    """

    def __init__(self) -> None:
        self._of: dict[str, Values] = {}
        self._asked: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._of

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._of))

    def __len__(self) -> int:
        return len(self._of)

    def __getitem__(self, name: str) -> Array:
        """The array itself, for netc's own use."""
        return self._of[name].array

    def lend(self, name: str) -> Array:
        """The array for a script."""
        self._asked.add(name)
        return self._of[name].lend()

    def expect(self, names: Iterable[str]) -> None:
        """These will be asked for after the next pass."""
        self._asked.update(names)

    def put(self, name: str, array: Array) -> None:
        """From now on this is the array."""
        self._of[name] = Values(array)

    def show(self, name: str, array: Array) -> None:
        """Give a blob these values: in its array, or in another where they have another shape."""
        if name in self._of and self[name].shape == array.shape:
            self[name][...] = array
        else:
            self.put(name, array.copy())

    def drop(self, name: str) -> None:
        """Nobody sees this blob."""
        self._of.pop(name, None)

    def wanted(self) -> set[str]:
        """The names of those that somebody holds, or has asked for since this was called last."""
        asked, self._asked = self._asked, set()
        return asked | {name for name, values in list(self._of.items()) if values.is_lent}

    def shapes(self, names: Iterable[str]) -> dict[str, Shape]:
        return {name: self[name].shape for name in names}
