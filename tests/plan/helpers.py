"""From a text to a plan, and a symbolic run that knows what every byte of the arena holds."""

from __future__ import annotations

from typing import Any

from netc.api.definition import loads
from netc.graph import Graph, State, build
from netc.layer import Phase
from netc.plan import plan
from netc.plan.model import Plan, Slot, Step


def graph_of(text: str, phase: Phase = "TRAIN", level: int = 0, stages: tuple[str, ...] = ()) -> Graph:
    definition = loads(text, "net.prototxt")
    return build(definition.record, definition.types, State(phase, level, stages))


def planned(text: str, phase: Phase = "TRAIN", **options: Any) -> Plan:
    return plan(graph_of(text, phase), **options)


def slot(of: Plan, blob: str, version: int = 0) -> Slot:
    """The data slot of a version of a blob."""
    found = next(v.index for v in of.graph.values if (v.name, v.version) == (blob, version))
    return of.slots[of.data[found]]


class Run:
    """Walks the steps; each slot's content is a name for what was computed, and a write destroys all it overlaps.

    Raises AssertionError where a step reads a slot that does not hold what it should, or that is not alive.
    """

    def __init__(self, of: Plan) -> None:
        self.plan = of
        self.holds: dict[int, object] = {}
        self.at = -1

    def check(self) -> None:
        for node in self.plan.graph.nodes:
            if node.type.source:
                for value in node.tops:
                    self.write(self.plan.data[value], ("value", self.name(value)))
        for step in (*self.plan.forward, *self.plan.backward):
            self.at += 1
            if step.kind == "forward":
                self.forward(step)
            elif step.kind == "backward":
                self.backward(step)
            else:
                self.combine(step)
        for value in (*self.plan.graph.inputs, *self.plan.graph.outputs):
            self.read(self.plan.data[value], ("value", self.name(value)))

    def name(self, value: int) -> int:
        """The first value with the same content: behind layers that only give other names."""
        node = self.plan.graph.nodes[self.plan.graph.values[value].producer]
        return self.name(node.bottoms[0]) if node.index in self.plan.skipped else value

    def write(self, index: int, content: object) -> None:
        mine = self.plan.slots[index]
        assert mine.first <= self.at <= mine.last, f"{mine} written at {self.at}"
        for other in list(self.holds):
            theirs = self.plan.slots[other]
            if theirs.offset < mine.offset + mine.nbytes and mine.offset < theirs.offset + theirs.nbytes:
                del self.holds[other]
        self.holds[index] = content

    def read(self, index: int, content: object) -> None:
        mine = self.plan.slots[index]
        assert mine.first <= self.at <= mine.last, f"{mine} read at {self.at}"
        same_place = [i for i in self.holds if self.plan.slots[i].offset == mine.offset]
        held = [self.holds[i] for i in same_place if self.plan.slots[i].storage == mine.storage]
        assert content in held, f"{mine} at {self.at} holds {held}, not {content}"

    def forward(self, step: Step) -> None:
        node, layer = self.plan.graph.nodes[step.layer], self.plan.layers[step.layer]
        for value in node.bottoms:
            self.read(self.plan.data[value], ("value", self.name(value)))
        if node.index in self.plan.skipped or node.type.source:
            return
        for buffer in layer.setup.buffers:
            self.write(self.plan.buffers[node.index][buffer.name], ("buffer", node.index, buffer.name))
        for value in node.tops:
            self.write(self.plan.data[value], ("value", self.name(value)))

    def backward(self, step: Step) -> None:
        node, setup = self.plan.graph.nodes[step.layer], self.plan.layers[step.layer].setup
        for axis, values in (("x", node.bottoms), ("y", node.tops)):
            for i, value in enumerate(values):
                if axis in setup.reads or f"{axis}{i}" in setup.reads:
                    self.read(self.plan.data[value], ("value", self.name(value)))
        for buffer in setup.buffers:
            if buffer.kind != "scratch":
                self.read(self.plan.buffers[node.index][buffer.name], ("buffer", node.index, buffer.name))
        for value, index in zip(node.tops, step.top_diffs, strict=True):
            assert index == self.plan.diff[value]
            self.read(index, self.gradient(value))
        for bottom, target in enumerate(step.bottom_diffs):
            assert (target is not None) == self.plan.layers[node.index].bottom_gradient[bottom]
            if target is not None:
                self.write(target, frozenset([(node.index, bottom)]))

    def combine(self, step: Step) -> None:
        if step.kind != "add":
            value = self.plan.slots[step.target].owner
            self.write(step.target, frozenset([("loss", value)] if step.kind == "loss" else []))
            return
        target, source = self.content(step.target), self.content(step.source)
        assert not target & source, "a gradient added twice"
        self.write(step.target, target | source)

    def content(self, index: int) -> frozenset[object]:
        """What a gradient slot holds: which bottoms' gradients are in the sum."""
        mine = self.plan.slots[index]
        for other, content in self.holds.items():
            theirs = self.plan.slots[other]
            if (theirs.offset, theirs.storage) == (mine.offset, mine.storage) and isinstance(content, frozenset):
                return content
        raise AssertionError(f"{mine} holds no gradient at {self.at}")

    def gradient(self, value: int) -> frozenset[object]:
        """What the whole gradient of a value is the sum of; layers that only give other names pass theirs on."""
        made = self.plan.graph.values[value]
        parts: set[object] = set()
        for layer, bottom in made.consumers:
            node = self.plan.graph.nodes[layer]
            if not self.plan.layers[layer].bottom_gradient[bottom]:
                continue
            passes = layer in self.plan.skipped and len(node.tops) == 1
            parts |= self.gradient(node.tops[0]) if passes else {(layer, bottom)}
        if self.plan.graph.nodes[made.producer].loss_weights[made.top]:
            parts.add(("loss", value))
        return frozenset(parts)
