"""What a written function is made of: one item a layer, or a group of layers that became a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from netc.convert.torch.code import Expression
from netc.convert.torch.writer import Module, State, Written


@dataclass(frozen=True, slots=True)
class Value:
    """A blob at one moment, the same in all nets that compute it."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a composite (or what layers of one prefix are taken as): which, and what it is called."""

    key: object
    callee: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A parameter or buffer, and the layer (by its key) whose it is."""

    layer: str
    state: State


@dataclass(frozen=True, slots=True)
class Item:
    """One statement: a layer or a call of a class. name: what the file calls it; kind: what one calls its like."""

    name: str
    kind: str
    bottoms: tuple[Value, ...]
    tops: tuple[Value, ...]
    says: tuple[Expression, ...]
    together: bool = False
    module: Module | None = None
    state: Mapping[str, Bound] = field(default_factory=dict)
    path: tuple[Run, ...] = ()
    written: Written | None = None

    @property
    def brings(self) -> tuple[str, ...]:
        """Texts that its layer's writer brings."""
        return self.written.brings if self.written is not None else ()


def item_of(
    key: str,
    name: str,
    kind: str,
    bottoms: tuple[Value, ...],
    tops: tuple[Value, ...],
    written: Written,
    path: tuple[Run, ...],
) -> Item:
    """The item of a layer, from what its type's writer says."""
    state = {n: Bound(key, s) for n, s in written.state.items()}
    return Item(name, kind, bottoms, tops, written.tops, written.together, written.module, state, path, written)


def joined(items: list[Item], wanted: set[Value]) -> list[Item]:
    """The items, with each BatchNorm and the Scale that alone reads it as one. wanted: values that others read, too."""
    readers: dict[Value, int] = {}
    for item in items:
        for value in item.bottoms:
            readers[value] = readers.get(value, 0) + 1
    found: list[Item] = []
    for item in items:
        before = found[-1] if found else None
        if (
            before is not None
            and _is_pair(before, item)
            and readers[before.tops[0]] == 1
            and before.tops[0] not in wanted
        ):
            found[-1] = _pair(before, item)
        else:
            found.append(item)
    return found


def _is_pair(first: Item, second: Item) -> bool:
    return (
        first.written is not None
        and second.written is not None
        and first.written.normalizes
        and second.written.affine
        and second.bottoms == first.tops
        and first.path == second.path
    )


def _pair(first: Item, second: Item) -> Item:
    assert first.module is not None
    arguments = tuple(replace(a, value=True) if a.name == "affine" else a for a in first.module.arguments)
    module = replace(first.module, arguments=arguments)
    return replace(first, module=module, tops=second.tops, state={**first.state, **second.state}, written=None)
