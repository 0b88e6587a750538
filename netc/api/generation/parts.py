"""A net that predicts in two parts: what does not depend on the tokens so far, and what does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from netc.api.definition import Definition
from netc.api.generation.codes import BAD_GENERATE, NOT_WHOLE
from netc.api.generation.written import inputs, is_input, span_of, unknown
from netc.api.planning import plan_state
from netc.errors import Diagnostic, NetError
from netc.graph import Node, State
from netc.layer import Shape, format_shape
from netc.plan.model import Plan
from netc.schema.record import Record


@dataclass(frozen=True)
class Parts:
    """The two parts. encoder: None if nothing has to be computed first.

    crossing: what the decoder reads of the encoder, or of inputs that do not change, by blob, and the axis that counts
    texts, None if it is the same for all. into: its input that takes tokens. steps: how many it takes at once. axes,
    streams: how many axes `into` has, and which of them counts texts. cont: its input that says where texts begin, or
    None. carried: states, each as the blob that it is after a step, and the one that it is before the next.
    probabilities: whether `out` holds probabilities, not scores.
    """

    encoder: Definition | None
    decoder: Definition
    inputs: tuple[str, ...]
    crossing: Mapping[str, int | None]
    into: str
    steps: int
    axes: int
    streams: int
    cont: str | None
    carried: tuple[tuple[str, str], ...]
    out: str
    probabilities: bool


def parts_of(definition: Definition, generate: Record) -> Parts:
    """The parts of a net that predicts (`deploy(...)`). Raises NetError: RUN111, RUN113, and what planning raises."""
    return _Cutting(definition, generate).parts()


class _Cutting:
    def __init__(self, definition: Definition, generate: Record) -> None:
        self.definition, self.generate = definition, generate
        self.plan = plan_state(definition, State("TEST"))
        self.graph = self.plan.graph
        if missing := list(unknown(generate, self.graph)):
            raise NetError(missing)
        self.into = inputs(self.graph)[generate.into]
        self.out = {v.name: v.index for v in self.graph.values}[getattr(generate, "from")]
        self.dynamic = self._dynamic()
        if not set(self.graph.nodes[self._producer(self.out)].tops) & self.dynamic:
            name = self.graph.values[self.out].name
            message = f'"{name}" does not depend on "{generate.into}"'
            raise NetError(Diagnostic(BAD_GENERATE, message, span_of(generate, "from")))

    # ------------------------------------------------------------ what depends on tokens

    def _producer(self, value: int) -> int:
        return self.graph.values[value].producer

    def _dynamic(self) -> set[int]:
        """The values that depend on `into`."""
        found = {self.into}
        for node in self.graph.nodes:
            if found & set(node.bottoms):
                found |= set(node.tops)
        return found

    def parts(self) -> Parts:
        graph, values = self.graph, self.graph.values
        cont = self._cont()
        outside = self.dynamic | ({cont} if cont is not None else set())
        later = [n for n in graph.nodes if outside & set(n.tops)]
        wanted = self._needed(later)
        later = [n for n in later if n.index in wanted]
        read = {v for n in later for v in n.bottoms if v not in outside}
        first = self._before(read)
        crossing = self._axes(sorted(read))
        names = [values[v].name for v in read]
        if len(set(names)) < len(names) or set(names) & {values[v].name for n in later for v in n.tops}:
            shared = next(n for n in names if names.count(n) > 1 or n in {values[v].name for v in outside})
            self._cannot(f'"{shared}" is written in place between the two parts')
        computed = [n for n in first if not is_input(n)]
        shape = self.plan.shapes[self.into]
        streams = _streams(shape)
        recurrent = [n for n in later if n.type.role.sequence and set(n.bottoms) & self.dynamic]
        steps = 1 if recurrent or len(shape) < 2 else shape[1 - streams]
        return Parts(
            encoder=self._part([n.record for n in first]) if computed else None,
            decoder=self._part([*(self._input(v) for v in sorted(read)), *(n.record for n in later)]),
            inputs=tuple(values[v].name for n in first if is_input(n) for v in n.tops),
            crossing={values[v].name: axis for v, axis in crossing.items()},
            into=values[self.into].name,
            steps=steps,
            axes=len(shape),
            streams=streams,
            cont=None if cont is None else values[cont].name,
            carried=tuple(pair for n in recurrent for pair in self._states(n)),
            out=values[self.out].name,
            probabilities=self._maker(self.out).type.role.probabilities,
        )

    def _maker(self, value: int) -> Node:
        """The layer that made the numbers of a value: back through layers that only give other shapes."""
        node = self.graph.nodes[self._producer(value)]
        while self.plan.layers[node.index].setup.shares and node.bottoms:
            node = self.graph.nodes[self._producer(node.bottoms[0])]
        return node

    def _cont(self) -> int | None:
        """The input that tells recurrent layers where a text begins: it has the shape of `into`."""
        for node in self.graph.nodes:
            if node.type.role.sequence and node.bottoms[0] in self.dynamic:
                value = node.bottoms[1]
                if is_input(self.graph.nodes[self._producer(value)]) and value != self.into:
                    return value
        return None

    def _needed(self, nodes: list[Node]) -> set[int]:
        """Of these layers those that `from` needs, by index; and those that make states which a later step needs."""
        wanted, found = {self.out, self.into}, set[int]()
        for node in reversed(nodes):
            if wanted & set(node.tops):
                found.add(node.index)
                wanted |= set(node.bottoms)
        return found

    def _before(self, values: set[int]) -> list[Node]:
        """The layers that make these values, in order."""
        wanted, found = set(values), list[Node]()
        for node in reversed(self.graph.nodes):
            if wanted & set(node.tops):
                found.insert(0, node)
                wanted |= set(node.bottoms)
        return found

    def _states(self, node: Node) -> list[tuple[str, str]]:
        """The last states of a recurrent layer that exposes them, and the blobs that it begins with."""
        count, values = len(node.tops) - 1, self.graph.values
        pairs = zip(node.tops[1:], node.bottoms[len(node.bottoms) - count :], strict=True)
        return [(values[after].name, values[before].name) for after, before in pairs]

    # ------------------------------------------------------------ texts side by side

    def _axes(self, values: list[int]) -> dict[int, int | None]:
        """The axis of each value that counts texts, seen by planning the net for two and for three."""
        two, three = self._planned(2), self._planned(3)
        found: dict[int, int | None] = {}
        for value in values:
            pair = two.shapes[value], three.shapes[value]
            moved = [i for i, (a, b) in enumerate(zip(*pair, strict=True)) if a != b]
            if len(moved) > 1 or (moved and (pair[0][moved[0]], pair[1][moved[0]]) != (2, 3)):
                shown = format_shape(self.plan.shapes[value])
                self._cannot(f'"{self.graph.values[value].name}" ({shown}) has no axis that counts texts alone')
            found[value] = moved[0] if moved else None
        return found

    def _planned(self, texts: int) -> Plan:
        """The plan of the whole net for so many texts.

        An input of two axes counts them where `into` does, any other one on its first axis.
        """
        shapes: dict[str, Shape] = {}
        streams = _streams(self.plan.shapes[self.into])
        for node in self.graph.nodes:
            for value in node.tops if is_input(node) else ():
                shape = self.plan.shapes[value]
                axis = streams if len(shape) == 2 else min(1, len(shape) - 1) if self._is_state(value) else 0
                shapes[self.graph.values[value].name] = (*shape[:axis], texts, *shape[axis + 1 :])
        return plan_state(self.definition, State("TEST"), inputs=shapes)

    def _is_state(self, value: int) -> bool:
        """Whether recurrent layers begin with it: 1 x texts x values."""
        readers = self.graph.readers(value)
        return any(n.type.role.sequence and bottom >= len(n.bottoms) - (len(n.tops) - 1) for n, bottom in readers)

    def _cannot(self, message: str) -> NoReturn:
        raise NetError(Diagnostic(NOT_WHOLE, message, self.generate.span, help=NOT_WHOLE.fix))

    # ------------------------------------------------------------ records

    def _part(self, layers: list[Record]) -> Definition:
        return replace(self.definition, record=self.definition.record.replace(layer=tuple(layers)), warnings=())

    def _input(self, value: int) -> Record:
        make, name = self._message("LayerParameter"), self.graph.values[value].name
        dims = self._message("BlobShape")(dim=self.plan.shapes[value])
        shape = self._message("InputParameter")(shape=(dims,))
        return make(name=f"{name}/in", type=self.definition.types.input, top=(name,), input_param=shape)  # type: ignore[no-any-return]

    def _message(self, name: str) -> Any:
        return self.definition.schema.message(name).make


def _streams(shape: Shape) -> int:
    """The axis of tokens that counts texts: steps x texts, unless there is one text and several steps."""
    return 0 if len(shape) < 2 or (shape[0] == 1 and shape[1] > 1) else 1
