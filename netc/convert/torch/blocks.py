"""Groups of layers as classes: what composites made, and layers of one prefix (`inception_3a/...`).

Groups of one structure, which differ in numbers only, are one class; the numbers are arguments of its constructor. A
group that occurs once is no class: its layers stand where the group is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netc.convert.torch.code import Bottom, Call, function, layout, literal
from netc.convert.torch.items import Item, Run, Value
from netc.convert.torch.names import ATTRIBUTES, Taken, class_name, common, snake, variable
from netc.convert.torch.statements import Body
from netc.convert.torch.writer import OWN, REQUIRED, Argument, Module

_CHANNELS = frozenset(
    ("in_channels", "out_channels", "num_features", "in_features", "out_features", "channels", "shape")
)
"""Arguments that say how many channels there are, and may be one parameter where they are always the same."""
LEAST = 2
"""Items that a class has at least."""


@dataclass(frozen=True, eq=False)
class Group:
    """The children of one run, in order. outputs: values that are read outside."""

    run: Run
    children: tuple[Child, ...]


Child = Item | Group


@dataclass(frozen=True, eq=False)
class Flow:
    """What a group reads from outside and gives to it. prefix: of its layers' names, and no others."""

    prefix: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass
class Blocks:
    """Makes the classes of a file. classes: their texts, in order."""

    taken: Taken
    classes: list[list[str]]

    def grouped(self, segments: Mapping[str, list[Item]], wanted: Mapping[str, set[Value]]) -> dict[str, list[Item]]:
        """The segments with groups as items, each a call of a class. wanted: values of a segment that others read."""
        shared = _shared(segments)
        trees = {name: _tree(items, 0, _broken(items) | shared) for name, items in segments.items()}
        while True:
            leaves = [
                (group, _flow(group, _flat(tree), wanted[name]))
                for name, tree in trees.items()
                for group in _leaves(tree)
            ]
            if not leaves:
                return {name: _flat(tree) for name, tree in trees.items()}
            made = self._replaced(leaves)
            trees = {name: _put(tree, made) for name, tree in trees.items()}

    def _replaced(self, leaves: Sequence[tuple[Group, Flow]]) -> dict[int, tuple[Item, ...]]:
        alike: dict[Any, list[tuple[Group, Flow]]] = defaultdict(list)
        for group, flow in leaves:
            alike[_structure(group, flow)].append((group, flow))
        made: dict[int, tuple[Item, ...]] = {}
        for found in alike.values():
            items = _flat(found[0][0].children)
            if len(found) > 1 and len(items) >= LEAST and found[0][1].outputs and any(i.state for i in items):
                calls = self._class(found)
                made |= {id(group): (call,) for (group, _), call in zip(found, calls, strict=True)}
            else:
                made |= {id(group): tuple(_flat(group.children)) for group, _ in found}
        return made

    def _class(self, found: Sequence[tuple[Group, Flow]]) -> list[Item]:
        """Write the class of groups that are alike; gives the calls that take their places."""
        rows = [_flat(group.children) for group, _ in found]
        group, flow = found[0]
        name = self.taken.fresh(class_name(group.run.callee, "Block"), "")
        prefixes = [_prefix(row) for row in rows]
        labels = [
            tuple(row[at].name.removeprefix(p) for row, p in zip(rows, prefixes, strict=True))
            for at in range(len(rows[0]))
        ]
        attributes = slots(rows[0], labels)
        arguments, chosen = _arguments([[item.module for item in row] for row in rows], attributes)
        wished = _wished(rows, [f for _, f in found], attributes, labels)
        body = Body(rows[0], flow.inputs, flow.outputs, attributes, wished)
        modules = {
            attributes[at]: _module(item.module, chosen.get(at, {})) for at, item in enumerate(rows[0]) if item.module
        }
        self.classes.append(_text(name, arguments, modules, body))
        calls = []
        for i, ((_, at), row) in enumerate(zip(found, rows, strict=True)):
            given = tuple(replace(a, value=a.value[i]) for a in arguments)
            state = {
                f"{attributes[j]}.{n}" if n else attributes[j]: bound
                for j, item in enumerate(row)
                for n, bound in item.state.items()
            }
            label = at.prefix.rstrip("/") or at.outputs[0].name
            inside = tuple(Bottom(k) for k in range(len(at.inputs)))
            says, together = (Call(OWN, inside),), len(at.outputs) > 1
            calls.append(Item(label, snake(name), at.inputs, at.outputs, says, together, Module(name, given), state))
        return calls


# ---------------------------------------------------------------- trees


def _shared(segments: Mapping[str, list[Item]]) -> set[object]:
    """Runs that several segments have a part of."""
    seen: dict[object, str] = {}
    shared: set[object] = set()
    for name, items in segments.items():
        for item in items:
            for run in item.path:
                if seen.setdefault(run.key, name) != name and item.module is not None:
                    shared.add(run.key)
    return shared


def _broken(items: Sequence[Item]) -> set[object]:
    """Runs whose layers do not stand one after the other."""
    broken: set[object] = set()
    ended: set[object] = set()
    before: tuple[Run, ...] = ()
    for item in items:
        ended |= {run.key for run in before if run not in item.path}
        broken |= {run.key for run in item.path if run.key in ended}
        before = item.path
    return broken


def _tree(items: Sequence[Item], depth: int, without: set[object]) -> list[Child]:
    found: list[Child] = []
    at = 0
    while at < len(items):
        path = [run for run in items[at].path if run.key not in without]
        if len(path) <= depth:
            found.append(items[at])
            at += 1
            continue
        run, end = path[depth], at
        while end < len(items) and run in items[end].path:
            end += 1
        found.append(Group(run, tuple(_tree(items[at:end], depth + 1, without))))
        at = end
    return found


def _leaves(tree: Sequence[Child]) -> list[Group]:
    """The groups that hold no groups."""
    found: list[Group] = []
    for child in tree:
        if isinstance(child, Group):
            inner = _leaves(child.children)
            found += inner or [child]
    return found


def _put(tree: Sequence[Child], made: Mapping[int, tuple[Item, ...]]) -> list[Child]:
    found: list[Child] = []
    for child in tree:
        if isinstance(child, Item):
            found.append(child)
        elif id(child) in made:
            found += made[id(child)]
        else:
            found.append(replace(child, children=tuple(_put(child.children, made))))
    return found


def _flat(tree: Sequence[Child]) -> list[Item]:
    """The items of a tree, in order."""
    return [item for c in tree for item in ([c] if isinstance(c, Item) else _flat(c.children))]


def _flow(group: Group, items: Sequence[Item], wanted: set[Value]) -> Flow:
    inner = _flat(group.children)
    inside, own = set(map(id, inner)), {value for item in inner for value in item.tops}
    inputs = dict.fromkeys(value for item in inner for value in item.bottoms if value not in own)
    read = wanted | {value for item in items if id(item) not in inside for value in item.bottoms}
    outputs = [value for item in inner for value in item.tops if value in read]
    prefix = _prefix(inner)
    alone = not any(item.name.startswith(prefix) for item in items if id(item) not in inside)
    return Flow(prefix if alone else "", tuple(inputs), tuple(outputs))


def _structure(group: Group, flow: Flow) -> Any:
    """What groups of one class have in common."""
    numbers = {value: number for number, value in enumerate(flow.inputs)}
    parts: list[Any] = [group.run.callee, len(flow.inputs)]
    for item in group.children:
        assert isinstance(item, Item)
        parts.append(tuple(numbers[value] for value in item.bottoms))
        for value in item.tops:
            numbers[value] = len(numbers)
        module = item.module
        names = tuple(a.name for a in module.arguments) if module else ()
        parts.append((item.says, item.together, module.function if module else "", names, tuple(item.state)))
    return (*parts, tuple(numbers[value] for value in flow.outputs))


# ---------------------------------------------------------------- names


def _prefix(items: Sequence[Item]) -> str:
    """What the names of all items begin with, up to a `/`."""
    first, *others = (item.name.split("/")[:-1] for item in items)
    shared = len(first)
    for other in others:
        shared = min(
            shared, next((i for i, (a, b) in enumerate(zip(first, other, strict=False)) if a != b), len(other))
        )
    return "".join(f"{part}/" for part in first[:shared])


def slots(items: Sequence[Item], labels: Sequence[Sequence[str]], taken: Taken | None = None) -> dict[int, str]:
    """The attribute of each item that has a module, by its place."""
    used = taken or Taken.by(ATTRIBUTES)
    return {at: used.fresh(common(labels[at], item.kind)) for at, item in enumerate(items) if item.module is not None}


def _wished(
    rows: Sequence[Sequence[Item]],
    flows: Sequence[Flow],
    attributes: Mapping[int, str],
    labels: Sequence[Sequence[str]],
) -> dict[Value, str]:
    """What the values of a class would be called: as in the file where all its calls agree, else by what makes them."""
    wished: dict[Value, str] = {}
    for at, value in enumerate(flows[0].inputs):
        names = [flow.inputs[at].name for flow in flows]
        plain = "x" if len(flows[0].inputs) == 1 else f"x{at + 1}"
        wished[value] = plain if len(set(names)) > 1 else common(names, plain)
    for at, item in enumerate(rows[0]):
        for top, value in enumerate(item.tops):
            name = variable(attributes.get(at) or common(labels[at], item.kind))
            wished[value] = name + (f"_{top + 1}" if len(item.tops) > 1 else "")
    return wished


# ---------------------------------------------------------------- arguments


def _arguments(
    rows: Sequence[Sequence[Module | None]], attributes: Mapping[int, str]
) -> tuple[list[Argument], dict[int, dict[str, str]]]:
    """The arguments of a class, each with a tuple of its values, one a call; and which of them each module takes.

    What is the same in all calls is no argument.
    """
    taken, made = Taken.by(("self",)), dict[tuple[Any, ...], Argument]()
    chosen: dict[int, dict[str, str]] = {}
    for at, first in enumerate(rows[0]):
        for index, argument in enumerate(first.arguments if first else ()):
            modules = [row[at] for row in rows]
            values = tuple(m.arguments[index].value for m in modules if m is not None)
            if all(value == values[0] for value in values):
                continue
            kind = "channels" if argument.name in _CHANNELS else argument.name
            key = (kind, *map(repr, values))
            if key not in made:
                name = argument.name if argument.name not in taken.names else f"{attributes[at]}_{argument.name}"
                default = argument.default if argument.default in values else REQUIRED
                placed = argument.positional and default is REQUIRED
                made[key] = Argument(taken.fresh(name), values, default, placed)
            chosen.setdefault(at, {})[argument.name] = made[key].name
    return sorted(made.values(), key=lambda a: (a.default is not REQUIRED, not a.positional)), chosen


def constructor(module: Module) -> Call:
    """The call that makes a module."""
    return _module(module, {})


def _module(module: Module, chosen: Mapping[str, str]) -> Call:
    placed = tuple(
        chosen.get(a.name) or literal(a.value) for a in module.arguments if a.positional and _said(a, chosen)
    )
    named = tuple(
        (a.name, chosen.get(a.name) or literal(a.value))
        for a in module.arguments
        if not a.positional and _said(a, chosen)
    )
    return Call(module.function, placed, named)


def _said(argument: Argument, chosen: Mapping[str, str]) -> bool:
    return argument.name in chosen or argument.default is REQUIRED or argument.value != argument.default


def _text(name: str, arguments: Sequence[Argument], modules: Mapping[str, Call], body: Body) -> list[str]:
    parameters = ["self"]
    for argument in arguments:
        kinds = " | ".join(sorted({_kind(value) for value in argument.value}))
        default = "" if argument.default is REQUIRED else f" = {literal(argument.default)}"
        parameters.append(f"{argument.name}: {kinds}{default}")
    lines = [f"class {name}(nn.Module):", *function("__init__", parameters, "None", 1), "        super().__init__()"]
    for attribute, made in modules.items():
        lines += layout(f"self.{attribute} = ", made, 2)
    return [*lines, "", *method("forward", body)]


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(_kind(v) for v in value)}]"
    return type(value).__name__


def signature(name: str, given: Sequence[str], gives: str) -> list[str]:
    """The beginning of a method that takes tensors."""
    return function(name, ["self", *(f"{n}: Tensor" for n in given)], gives, 1)


def method(name: str, body: Body, doc: str = "") -> list[str]:
    """A method of a module that takes and gives tensors."""
    names = body.names()
    gives = "Tensor" if len(body.gives) == 1 else f"tuple[{', '.join(['Tensor'] * len(body.gives))}]"
    lines = signature(name, [names[value] for value in body.given], gives)
    lines += [f'        """{doc}"""'] if doc else []
    return [*lines, *body.lines(names, 2, ends=True)]
