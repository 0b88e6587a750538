"""The body of a written function: its statements, and what its variables are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netc.convert.torch.code import INDENT, WIDTH, Bottom, Items, filled, layout
from netc.convert.torch.items import Item, Value
from netc.convert.torch.library import defined
from netc.convert.torch.names import Taken, variables


@dataclass(frozen=True)
class Body:
    """Items in order. given: the function's parameters; gives: what it returns.

    attributes: what `self` calls the module of each item that has one. wished: what a value would be called.
    """

    items: Sequence[Item]
    given: Sequence[Value]
    gives: Sequence[Value]
    attributes: Mapping[int, str]
    wished: Mapping[Value, str]

    def names(self) -> dict[Value, str]:
        """The variable of each value. One that is written in place takes over the variable, if nobody reads the old."""
        taken = Taken.by(variables().union(*(defined(text) for item in self.items for text in item.brings)))
        names = {value: taken.fresh(self.wished[value]) for value in self.given}
        last = {value: at for at, item in enumerate(self.items) for value in item.bottoms}
        last |= dict.fromkeys(self.gives, len(self.items))
        for at, item in enumerate(self.items):
            for value in item.tops:
                old = next((b for b in item.bottoms if b.name == value.name and b in names), None)
                free = old is not None and last.get(old, at) <= at and value == item.tops[0]
                names[value] = names[old] if free and old is not None else taken.fresh(self.wished[value])
        return names

    def lines(self, names: Mapping[Value, str], depth: int, ends: bool = False) -> list[str]:
        """The statements; if it `ends`, and the last one makes what the function returns, it returns that itself."""
        read = {value for item in self.items for value in item.bottoms} | set(self.gives)
        found: list[str] = []
        for at, item in enumerate(self.items):
            own = f"self.{self.attributes[at]}" if at in self.attributes else ""
            bottoms = [names[value] for value in item.bottoms]
            tops = [names[value] if value in read else f"_{names[value]}" for value in item.tops]
            last = ends and at == len(self.items) - 1 and list(item.tops) == list(self.gives)
            if item.together:
                before = "return " if last else f"{', '.join(tops)} = "
                found += layout(before, filled(item.says[0], bottoms, own), depth)
            elif last and len(tops) == 1:
                found += layout("return ", filled(item.says[0], bottoms, own), depth)
            elif set(tops[:-1]) & set(bottoms):  # a variable that a later top reads would be written over
                found += layout(f"{', '.join(tops)} = ", filled(Items(item.says), bottoms, own), depth)
            else:
                for value, name, says in zip(item.tops, tops, item.says, strict=True):
                    if value in read and not (isinstance(says, Bottom) and name == bottoms[says.index]):
                        found += layout(f"{name} = ", filled(says, bottoms, own), depth)
        if ends and not self.returns():
            found += returned([names[value] for value in self.gives], depth)
        return found

    def returns(self) -> bool:
        """Whether the last statement makes what the function returns."""
        last = self.items[-1] if self.items else None
        whole = last is not None and list(last.tops) == list(self.gives)
        return last is not None and whole and (last.together or len(last.tops) == 1)


def returned(names: Sequence[str], depth: int) -> list[str]:
    """The line (or lines) that ends a function."""
    margin = INDENT * depth
    line = f"{margin}return {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{margin}return (", *(f"{margin}{INDENT}{name}," for name in names), f"{margin})"]
