"""Names of layers and blobs. They are bytes to Caffe, and labels: two layers may have the same one.

In memory a name is text in which each byte that is no UTF-8 (names in GBK or Latin-1 have some) is a lone surrogate
(`surrogateescape`), so that it is written as it was read. Formats that take only UTF-8 get `as_utf8`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence


def as_utf8(name: str) -> str:
    """A name for formats that take only UTF-8: its other bytes become escapes, `\\xbe`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def json_in_utf8(value: object) -> object:
    """A value for JSON whose texts and keys are `as_utf8`."""
    if isinstance(value, str):
        return as_utf8(value)
    if isinstance(value, Mapping):
        return {json_in_utf8(key): json_in_utf8(inner) for key, inner in value.items()}
    return [json_in_utf8(inner) for inner in value] if isinstance(value, list | tuple) else value


def as_distinct_utf8(names: Iterable[str]) -> dict[str, str]:
    """`as_utf8` of each name, with underscores where two would become the same."""
    names = list(dict.fromkeys(names))
    found = {name: name for name in names if as_utf8(name) == name}
    taken = set(found)
    for name in names:
        if name not in found:
            made = as_utf8(name)
            while made in taken:
                made += "_"
            found[name] = made
            taken.add(made)
    return found


class Keys:
    """Gives layers keys that are unique: of those with one name the first keeps it, the second is `name#2`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names, self._given, self._counts = set(names), set[str](), Counter[str]()

    def key(self, name: str) -> str:
        """The key of the next layer of this name."""
        self._counts[name] += 1
        key = name if self._counts[name] == 1 else f"{name}#{self._counts[name]}"
        while key in self._given or (key != name and key in self._names):
            self._counts[name] += 1
            key = f"{name}#{self._counts[name]}"
        self._given.add(key)
        return key


def paired(ours: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """Which of their layers each of ours belongs to, by name; layers of ours that have none are left out.

    As many layers of one name as they have belong to theirs in their order; otherwise our first belongs to their last,
    which is what Caffe's loading by name comes to.
    """
    places, there = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for at, name in enumerate(ours):
        places[name].append(at)
    for at, name in enumerate(theirs):
        there[name].append(at)
    found: dict[int, int] = {}
    for name, mine in places.items():
        if len(mine) == len(there[name]):
            found.update(zip(mine, there[name], strict=True))
        elif there[name]:
            found[mine[0]] = there[name][-1]
    return found
