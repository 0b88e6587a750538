"""What recurrent layers do alike around their steps: the input's products, its gradients, and states."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from netc.fast import embed
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.moves import clear
from netc.fast.machine.products import Groups, Lines, packed, packed_bytes, product, room_bytes
from netc.fast.machine.products import Sizes as Product
from netc.fast.program.builder import Builder
from netc.fast.program.lowered import Layout
from netc.fast.recurrent import rows as sums
from netc.fast.recurrent.steps import Sizes, in_panels, padded, states_in_panels
from netc.kernels import recurrent
from netc.plan.model import Step

STREAMS_BEYOND = 32  # rows behind those of the last stream that a tile may read

# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    node = b.plan.graph.nodes[layer]
    return None if any(0 in b.plan.shapes[value] for value in (*node.bottoms, *node.tops)) else "plain"


def absorb(b: Builder, head: int) -> None:
    """Let the layer do an Embed before it: what its weights make of words is made once for each vector of the table."""
    value = b.plan.graph.values[b.plan.graph.nodes[head].bottoms[0]]
    other = value.producer
    node = b.plan.graph.nodes[other]
    if other not in b.accepted or node.type.name not in embed.FAMILY.types or len(b.planned(other).params) > 1:
        return
    at, (vectors, size) = b.planned(head).setup.known(recurrent.Layout), embed.table_shape(b, other)
    seen = b.plan.kept or len(value.consumers) > 1 or value.index in b.plan.graph.outputs or any(node.loss_weights)
    again = {head, other} & set(b.plan.recomputed) or b.is_rematerialised(value.index)
    if not seen and not again and size == at.inputs and 2 * vectors <= at.rows:
        b.fused[other] = head


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A recurrent layer that is being lowered; gates: how many values of the state's size its input is made into.

    Arrays of gates have rows of `width` floats, in which each gate has `part`: whole vectors.
    """

    b: Builder
    layer: int
    gates: int
    at: recurrent.Layout

    @staticmethod
    def of(b: Builder, layer: int, gates: int) -> Recurrent:
        return Recurrent(b, layer, gates, b.planned(layer).setup.known(recurrent.Layout))

    @property
    def words(self) -> int | None:
        """The Embed whose top is the input, where this layer does its work (`absorb`)."""
        return next(iter(self.b.absorbed(self.layer)), None)

    @property
    def part(self) -> int:
        return padded(self.at.outputs)

    @property
    def width(self) -> int:
        return self.gates * self.part

    @property
    def groups(self) -> Groups:
        return Groups(self.at.outputs, self.part)

    @property
    def gates_bytes(self) -> int:
        return 4 * self.at.rows * self.width

    @property
    def cont(self) -> Region:
        return self.b.read_plain(self.b.bottom(self.layer, 1)).flat

    def top(self) -> Region:
        return self.b.write_plain(self.b.top(self.layer)).flat

    def sizes(self, room: int) -> Sizes:
        return Sizes(self.at.steps, self.at.streams, self.at.outputs, room)

    def keep(self, name: str, count: int) -> Region:
        """An array of `count` floats that backward reads (`kept`)."""
        found = self.b.kept[self.layer, name] = self.b.new(name, 4 * count)
        return found

    def kept(self, name: str) -> Region:
        return self.b.kept[self.layer, name]

    # ------------------------------------------------------------ states

    def states(self, *names: str) -> tuple[list[Region], list[Region]]:
        """The states before the first step, and where those after the last go: bottoms and tops, or what is carried."""
        b, at = self.b, self.at
        if at.exposed:
            before = [b.read_plain(b.bottom(self.layer, at.first_state + i)).flat for i in range(len(names))]
            return before, [b.write_plain(b.top(self.layer, 1 + i)).flat for i in range(len(names))]
        size = 4 * at.streams * at.outputs
        carried = [Region(b.buffer(self.layer, f"{name}_carried"), 0, size) for name in names]
        return carried, carried

    def last_gradients(self, step: Step) -> list[Region]:
        """The gradients of the states after the last step; NOTHING where these are not exposed."""
        exposed = [self.b.read_plain(slot).flat for slot in step.top_diffs[1:]]
        return exposed or [NOTHING] * self.at.states

    def first_gradients(self, step: Step) -> list[Region]:
        """Where the gradients of the states before the first step go; NOTHING where nobody asks for them."""
        slots = step.bottom_diffs[self.at.first_state :] if self.at.exposed else [None] * self.at.states
        return [NOTHING if slot is None else self.b.write_plain(slot).flat for slot in slots]

    # ------------------------------------------------------------ forward

    def transformed_input(self) -> tuple[Region, Region]:
        """The gates of all steps as far as the input makes them, and what the static input adds to those of each."""
        b, at = self.b, self.at
        if self.words is not None:
            b.layer = self.words  # what it refuses comes before any other launch of this layer
            embed.index(b, self.words)
            b.layer = self.layer
        shift, weights = self.packed_bias(1), self.packed_turned(0, at.inputs)
        gates = self.keep("gates", at.rows * self.width)
        if self.words is not None:
            self._look_up(self.words, weights, gates, shift)
        else:
            x = self._flat(b.bottom(self.layer))
            self._multiply(x, Lines(4 * at.inputs), weights, gates, (at.rows, self.width, at.inputs), shift)
        if not at.static:
            return gates, NOTHING
        weights = self.packed_turned(2, at.static)
        row = in_panels(self.width)
        static, _ = b.new("static", 4 * row * (at.streams + STREAMS_BEYOND)).cut(4 * row * at.streams)
        x = self._flat(b.bottom(self.layer, 2))
        self._multiply(x, Lines(4 * at.static), weights, static, (at.streams, row, at.static))
        return gates, static

    def _look_up(self, words: int, weights: Region, gates: Region, shift: Region) -> None:
        """The gates of all steps by the words of an Embed: the same sums as of their vectors."""
        b, at, vectors = self.b, self.at, embed.table_shape(self.b, words)[0]
        made = b.new("gates of words", 4 * vectors * self.width)
        self._multiply(b.param(words, 0), Lines(4 * at.inputs), weights, made, (vectors, self.width, at.inputs), shift)
        found, sizes = b.kept[words, "index"], {"count": at.rows, "size": self.width}
        b.emit(embed.rows(index=found, table=made, bias=NOTHING, y=gates, **sizes), "rows of the table")

    def weights(self) -> Region:
        """The weights of the state, as forward multiplies with them."""
        return self.packed_turned(self.at.hidden, self.at.outputs)

    def packed_bias(self, position: int) -> Region:
        """A bias as a product takes it."""
        b, size = self.b, self.at.outputs
        target = b.new("packed bias", 4 * in_panels(self.width))
        room = target.nbytes // 4
        b.emit_setup(
            sums.bias(source=b.param(self.layer, position), target=target, gates=self.gates, size=size, room=room),
            "pack",
        )
        return target

    def packed_turned(self, position: int, inputs: int) -> Region:
        """Weights as inputs are multiplied with them."""
        b = self.b
        target = b.new("packed weights", packed_bytes(self.width, inputs))
        lines = Lines(4 * inputs, turned=True)
        b.emit_setup(packed(b.param(self.layer, position), lines, target, self.width, inputs, self.groups), "pack")
        return target

    def _flat(self, slot: int) -> Region:
        base = self.b.read_plain(slot).base
        return Region(base.array, base.offset, 4 * prod(self.b.shape(slot)))

    def _multiply(
        self, a: Region, lines: Lines, weights: Region, c: Region, sizes: tuple[int, int, int], bias: Region = NOTHING
    ) -> None:
        room = self.b.new("product", room_bytes(self.b.threads))
        launch = product(a, lines, weights, c, 4 * sizes[1], Product(*sizes), room, bias=bias)
        self.b.emit(launch, "product")

    # ------------------------------------------------------------ backward

    def weights_back(self, position: int, inputs: int) -> Region:
        """Weights as the gradients of gates are multiplied with them."""
        b = self.b
        target = b.new("packed weights", packed_bytes(inputs, self.width))
        lines = Lines(4 * inputs)
        b.emit(packed(b.param(self.layer, position), lines, target, inputs, self.width, self.groups), "pack")
        return target

    def states_before(self, h: Region, first: Region, step: int, gates: Region = NOTHING) -> Region:
        """The state before each step times cont, in panels; gates: times the first gate of each row, too.

        h: the states after the steps; first: that before the first one; step: floats from one to the next.
        """
        b, at = self.b, self.at
        target = b.new("packed states", packed_bytes(at.outputs, at.rows))
        launch = states_in_panels(
            h=h, first=first, cont=self.cont, gates=gates, target=target, sizes=self.sizes(0), step=step,
            width=self.width,
        )  # fmt: skip
        b.emit(launch, "pack")
        return target

    def weight_gradient(
        self, position: int, dgates: Region, rows: int, x: Region, inputs: int, first: int = 0, gates: int | None = None
    ) -> None:
        """dW += dgates^T x, of gates first..first+gates-1 (all of them). x: rows x inputs, packed."""
        b, at = self.b, self.at
        dw = b.param_gradient(self.layer, position)
        if dw is None:
            return
        gates = self.gates if gates is None else gates
        parts = [(gate, at.outputs) for gate in range(first, first + gates)]
        for gate, m in [(first, gates * at.outputs)] if self.part == at.outputs else parts:
            room = b.new("product", room_bytes(b.threads))
            launch = product(
                dgates + 4 * gate * self.part, Lines(4 * self.width, turned=True), x,
                dw + 4 * gate * at.outputs * inputs, 4 * inputs, Product(m, inputs, rows), room, add=True,
            )  # fmt: skip
            b.emit(launch, "weight gradient")

    def bias_gradient(self, position: int, dgates: Region, rows: int) -> None:
        """db += the sum of the rows of dgates."""
        b, at = self.b, self.at
        if (db := b.param_gradient(self.layer, position)) is not None:
            launch = sums.over_rows(source=dgates, target=db, rows=rows, gates=self.gates, size=at.outputs)
            b.emit(launch, "bias gradient")

    def input_gradients(self, step: Step, dgates: Region) -> None:
        """Gradients of the input, the static input and their blobs."""
        b, at = self.b, self.at
        if self.words is not None:
            self._words_gradients(self.words, dgates)
        else:
            self.bias_gradient(1, dgates, at.rows)
            self._product_gradients(step, 0, 0, dgates, (at.rows, at.inputs))
        if at.static and (step.bottom_diffs[2] is not None or b.param_gradient(self.layer, 2) is not None):
            count = at.streams * self.width
            total = b.new("gradient of gates", 4 * count)
            b.emit(sums.over_steps(source=dgates, target=total, steps=at.steps, count=count), "static gradient")
            self._product_gradients(step, 2, 2, total, (at.streams, at.static))

    def _product_gradients(
        self, step: Step, bottom: int, position: int, dgates: Region, sizes: tuple[int, int]
    ) -> None:
        b, (rows, inputs) = self.b, sizes
        target = step.bottom_diffs[bottom]
        if target is not None:
            weights, dx = self.weights_back(position, inputs), self.b.write_plain(target).base
            room = b.new("product", room_bytes(b.threads))
            launch = product(
                dgates, Lines(4 * self.width), weights, dx, 4 * inputs, Product(rows, inputs, self.width), room
            )  # fmt: skip
            b.emit(launch, "data gradient")
        if b.param_gradient(self.layer, position) is not None:
            x = b.new("packed input", packed_bytes(inputs, rows))
            source = self._flat(b.bottom(self.layer, bottom))
            b.emit(packed(source, Lines(4 * inputs), x, inputs, rows), "pack")
            self.weight_gradient(position, dgates, rows, x, inputs)

    def _words_gradients(self, words: int, dgates: Region) -> None:
        """Of the bias, the weights and the table, from the sum of the gradients of each word's gates."""
        b, at, vectors = self.b, self.at, embed.table_shape(self.b, words)[0]
        total, found, sizes = (
            b.new("gradient of gates", 4 * vectors * self.width),
            b.kept[words, "index"],
            (at.rows, self.width),
        )
        b.emit(clear(total), "words' gradient")
        launch = embed.rows_gradient(index=found, dy=dgates, gradient=total, count=sizes[0], size=sizes[1])
        b.emit(launch, "words' gradient")
        self.bias_gradient(1, total, vectors)
        if (gradient := b.param_gradient(words, 0)) is not None:
            weights, room = self.weights_back(0, at.inputs), b.new("product", room_bytes(b.threads))
            sizes_of = Product(vectors, at.inputs, self.width)
            launch = product(total, Lines(4 * self.width), weights, gradient, 4 * at.inputs, sizes_of, room, add=True)
            b.emit(launch, "table gradient")
        if b.param_gradient(self.layer, 0) is not None:
            x = b.new("packed input", packed_bytes(at.inputs, vectors))
            b.emit(packed(b.param(words, 0), Lines(4 * at.inputs), x, at.inputs, vectors), "pack")
            self.weight_gradient(0, total, vectors, x, at.inputs)
