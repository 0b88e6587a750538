"""What the outputs of a net that predicts are, and which part of each is one sample's, from the layers' roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from netc.graph import Node
from netc.layer import Array
from netc.plan.model import Plan
from netc.plan.shapes import is_apart

Kind = Literal["rows", "classes", "map", "values"]
Whose = Literal["sample", "rows", "mixed", "shared"]


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a net.

    kind: "rows" (any number an image, with named `columns`), "classes" (one probability for each class), "map" (values
    at the positions of an image: channels x height x width) or "values" (anything else).
    whose: "sample" (`each` entries of the first axis are a sample's), "rows" (the first column says whose), "mixed"
    (made from all samples; only a batch of one can tell) or "shared" (the same for each sample).
    meaning: what a map holds: "probabilities" of its channels, "picks" (numbers of classes), or "".
    """

    kind: Kind = "values"
    whose: Whose = "mixed"
    each: int = 1
    columns: tuple[str, ...] = ()
    meaning: Literal["", "probabilities", "picks"] = ""

    def of(self, array: Array, row: int, batch: int) -> Array:
        """What sample `row` of the batch has of the output; rows are numbered as if it were alone."""
        if self.whose == "rows":
            rows = array.reshape(-1, len(self.columns))
            mine: Array = rows[rows[:, 0] == row].copy()
            mine[:, 0] = 0
            if "class" in self.columns:
                mine = mine[mine[:, self.columns.index("class")] >= 0]
            return mine
        if self.whose == "sample" and array.shape[0] == batch * self.each:
            return array[row] if self.each == 1 else array[row * self.each : (row + 1) * self.each]
        return array


def outputs(plan: Plan, batch: int, blobs: Sequence[str] = ()) -> Mapping[str, Output]:
    """The outputs of a plan for `batch` samples, or these blobs instead, by blob name."""
    return _Outputs(plan, batch).found(blobs)


class _Outputs:
    """Follows samples, and the positions of images, from the inputs on.

    whose: for each value, whose its entries are, and how many of the first axis a sample has.
    positions: for each value, whether its axes from the third on are the positions of an image.
    """

    def __init__(self, plan: Plan, batch: int) -> None:
        self.plan, self.graph, self.batch = plan, plan.graph, batch
        self.whose: list[tuple[Whose, int]] = []
        self.positions: list[bool] = []
        for node in self.graph.nodes:
            for top, value in enumerate(node.tops):
                self.whose.append(self._source(node, value) if node.type.source else self._made(node, top, value))
                self.positions.append(self._has_positions(node, value))

    def found(self, blobs: Sequence[str]) -> dict[str, Output]:
        latest = {value.name: value.index for value in self.graph.values}
        wanted = [latest[name] for name in blobs] or self.graph.outputs
        return {self.graph.values[v].name: self._output(v) for v in wanted}

    def _source(self, node: Node, value: int) -> tuple[Whose, int]:
        if node.type.forward is not None:
            return "shared", 1
        if is_apart(self.graph, value):
            return "mixed", 1
        return ("sample" if self.plan.shapes[value][:1] == (self.batch,) else "shared"), 1

    def _made(self, node: Node, top: int, value: int) -> tuple[Whose, int]:
        role, setup = node.type.role, self.plan.layers[node.index].setup
        below = {self.whose[v][0] for v in node.bottoms}
        if below <= {"shared"}:  # fillers, beside what is asked; where nothing is asked, samples are made of them
            drawn = role.fed == "fillers" and not self.graph.inputs
            return ("sample" if drawn and self.plan.shapes[value][:1] == (self.batch,) else "shared"), 1
        if role.family == "detection":
            whose: Whose = "shared" if not setup.dynamic else "rows" if role.rows and top == 0 else "mixed"
            return whose, 1
        if below == {"rows"} and setup.shares and self._columns(value):
            return "rows", 1
        shape = self.plan.shapes[value]
        apart = role.apart or setup.dynamic or below & {"mixed", "rows"}
        if apart or not shape or shape[0] % self.batch:
            return "mixed", 1
        return "sample", shape[0] // self.batch

    def _has_positions(self, node: Node, value: int) -> bool:
        shape, role, window = self.plan.shapes[value], node.type.role, self.plan.layers[node.index].setup.window
        if len(shape) < 3:
            return False
        if node.type.source:
            return len(shape) > 3
        if window is not None and window.whole:
            return False
        if role.family == "convolution" and len(shape) == 4 and self.whose[value][0] == "sample":
            return True  # even of what is no image yet: a generator's values
        below = [self.plan.shapes[v] for v in node.bottoms if self.positions[v]]
        moved = role.space or window is not None or role.family in ("convolution", "pooling")
        return any(len(s) == len(shape) and (bool(moved) or s[2:] == shape[2:]) for s in below)

    def _maker(self, value: int) -> tuple[Node, int]:
        """The layer that made the numbers of a value, and its top: back through layers that only give other shapes."""
        node = self.graph.nodes[self.graph.values[value].producer]
        while self.plan.layers[node.index].setup.shares and node.bottoms:
            value = node.bottoms[0]
            node = self.graph.nodes[self.graph.values[value].producer]
        return node, value

    def _columns(self, value: int) -> tuple[str, ...]:
        columns = self._maker(value)[0].type.role.rows
        return columns if self.plan.shapes[value][-1:] == (len(columns),) else ()

    def _output(self, value: int) -> Output:
        whose, each = self.whose[value]
        if whose == "rows":
            return Output("rows", whose, each, self._columns(value))
        shape = self.plan.shapes[value]
        node, made = self._maker(value)
        if each == 1 and self.positions[value] and prod(shape[2:]) > 1:
            role = node.type.role
            return Output(
                "map", whose, each, (), "probabilities" if role.probabilities else "picks" if role.picks else ""
            )
        wide = [size for size in self.plan.shapes[made][1:] if size > 1]
        alone = each == 1 and whose == "sample" and len(wide) == 1
        return Output("classes" if alone and node.type.role.probabilities else "values", whose, each)


def class_map(output: Output, values: Array) -> Array | None:
    """The class at each position (height x width) of a map that tells classes; None of others."""
    if output.kind != "map" or values.ndim != 3:
        return None
    if output.meaning == "probabilities" and len(values) > 1:
        return np.asarray(values.argmax(axis=0))
    return np.asarray(values[0], np.int64) if output.meaning == "picks" and len(values) == 1 else None
