"""Wider random nets: layers of every type that has kernels, as its file gives examples of it, among the others.

And what is easily overlooked: two readers of one blob with different windows, a part of the net that sees some
items of the batch, outputs that are other names of a blob, a last layer that works in place.
"""

from __future__ import annotations

from functools import cache
from math import prod
from random import Random

import numpy as np

from netc.api import planning
from netc.api.definition import loads
from netc.catalogue import catalogue
from netc.layer import Array, Example, Input, LayerType, Phase
from tools.attack._nets import STEPS, RandomNet

# What may follow a Filter. BatchNorm has no variance of no item, and a mean of none.
SIFTED = tuple(step for step in STEPS if step is not RandomNet.channels)
ROW = 60  # values of an image that a graft's bottom may have and still be computed from another blob


@cache
def kinds() -> tuple[LayerType, ...]:
    """The types with kernels of their own, each once. Python layers run a user's code; HDF5Output writes files."""
    found = {id(t): t for t in catalogue().types.values()}.values()
    return tuple(
        t
        for t in found
        if t.forward is not None and not t.source and not t.role.foreign and t.examples and t.name != "HDF5Output"
    )


@cache
def examples_of(phase: Phase) -> tuple[tuple[LayerType, tuple[Example, ...]], ...]:
    """These types and their examples in a phase."""
    found = ((t, tuple(e for e in t.examples if e.phase == phase and e.given is None)) for t in kinds())
    return tuple((t, examples) for t, examples in found if examples)


def values(given: Input, random: np.random.Generator) -> Array:
    """What an example's bottom may hold."""
    match given.kind:
        case "uniform":
            return random.uniform(given.low, given.high, given.shape)
        case "labels":
            return random.integers(int(given.low), int(given.high), given.shape)
        case "distinct":
            ladder = (np.arange(prod(given.shape)) - prod(given.shape) // 2 + 0.5) * 0.1
            return random.permutation(ladder).reshape(given.shape)
        case "probabilities":
            return of_one(random.uniform(0.1, 1, given.shape))
        case "binary":
            return random.integers(0, 2, given.shape)
        case "values":
            return np.array(given.values, float).reshape(given.shape)
    return random.normal(size=given.shape)


def of_one(shares: Array) -> Array:
    """Shares as probabilities: they add up to 1 over the classes."""
    return np.asarray(shares / shares.sum(min(1, shares.ndim - 1), keepdims=True))


class WideNet(RandomNet):
    """`given`: what the inputs of grafted layers may hold, by name; `phase`: of the examples that were taken."""

    def __init__(self, random: Random, phase: Phase) -> None:
        self.given: dict[str, Input] = {}
        self.phase: Phase = phase
        self.types: list[str] = []
        super().__init__(random)

    def grow(self) -> None:
        random = self.random
        for _ in range(random.randint(1, 5)):
            random.choice(STEPS)(self)
        for step in (WideNet.graft, WideNet.graft, WideNet.two_windows, WideNet.sift):
            if self.chance(0.6):
                step(self)
        random.choice(STEPS)(self)

    # ------------------------------------------------------------ layers of any type

    def graft(self) -> None:
        """A layer as an example has it, on blobs of this net where that can be, else on inputs of its own."""
        kind, examples = self.random.choice(examples_of(self.phase))
        example = self.random.choice(examples)
        bottoms = [self.bottom(given, kind.gives_gradient(i)) for i, given in enumerate(example.inputs)]
        tops = [self.name("g") for _ in range(example.tops)]
        blobs = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
        fields = " ".join(line.partition("#")[0].strip() for line in example.fields.splitlines())
        self.lines.append(f'layer {{ name: "{self.name("graft")}" type: "{kind.name}" {blobs} {fields} }}')
        self.unread = [b for b in self.unread if b not in bottoms]
        self.types.append(kind.name)
        self.take(kind, tops, example)

    def take(self, kind: LayerType, tops: list[str], example: Example) -> None:
        """Let the rest of the net read the tops, if they have its batch and their size does not depend on values."""
        plan = planning.plan(loads(self.text), self.phase, training=False)
        shapes = {v.name: plan.shapes[v.index] for v in plan.graph.values}
        fixed = not any(layer.setup.dynamic for layer in plan.layers)
        smooth = example.gradient and kind.backward is not None
        for top in tops:
            shape = shapes[top]
            usual = len(shape) > 1 and shape[0] == self.batch and 0 < prod(shape) < 3000
            if usual and fixed and smooth and not kind.loss:
                self.blobs[top] = shape[1:]
                self.unread.append(top)
            elif smooth and not kind.loss and self.chance(0.7):
                self.sum_of(top)

    def bottom(self, given: Input, smooth: bool) -> str:
        """A blob for one bottom of an example: computed from one of this net, or an input."""
        count = prod(given.shape)
        computed = smooth and given.kind in ("normal", "distinct", "uniform") and count % self.batch == 0
        if not computed or not 0 < count // self.batch <= ROW or not self.chance(0.7):
            name = self.name("input")
            self.input_of(name, given.shape)
            self.given[name] = given
            return name
        source, flat, shaped = self.random.choice(list(self.blobs)), self.name("ip"), self.name("shaped")
        fields = f"inner_product_param {{ num_output: {count // self.batch} }}"
        self.layer("InnerProduct", [source], {flat: (count // self.batch,)}, fields)
        if given.kind == "uniform":
            self.layer("Sigmoid", [flat], {flat: (count // self.batch,)})
            spread = f"power_param {{ scale: {given.high - given.low} shift: {given.low} }}"
            self.layer("Power", [flat], {flat: (count // self.batch,)}, spread)
        dims = " ".join(f"dim: {d}" for d in given.shape)
        self.lines.append(
            f'layer {{ name: "{self.name("reshape")}" type: "Reshape" bottom: "{flat}" top: "{shaped}" '
            f"reshape_param {{ shape {{ {dims} }} }} }}"
        )
        self.unread.remove(flat)
        return shaped

    # ------------------------------------------------------------ what is easily overlooked

    def two_windows(self) -> None:
        """Convolutions and a pooling that see one blob through different windows, and keep its size."""
        names = [b for b, shape in self.blobs.items() if len(shape) == 3]
        if not names:
            return
        source = self.random.choice([names[0], *names])
        channels, *space = self.blobs[source]
        for size, dilation in self.random.sample(((1, 1), (3, 1), (5, 1), (3, 2), (7, 1)), self.random.randint(2, 3)):
            outputs = self.random.choice((4, channels, 16))
            if outputs * prod(space) > 6000:
                continue
            pad = dilation * (size // 2)
            fields = f"num_output: {outputs} kernel_size: {size} pad: {pad} dilation: {dilation}"
            top = {self.name("w"): (outputs, *space)}
            self.layer("Convolution", [source], top, f"convolution_param {{ {fields} }}")

    def sift(self) -> None:
        """A part of the net that sees only some items of the batch, or none: how many, a selector says."""
        names = [b for b, shape in self.blobs.items() if shape]
        chosen = self.random.sample(names, self.random.randint(1, min(2, len(names))))
        selector, all_blobs = self.name("selector"), self.blobs
        self.input_of(selector, (self.batch,))
        self.given[selector] = Input((self.batch,), "binary")
        self.blobs = {}
        few = {self.name("few"): all_blobs[b] for b in chosen}
        self.layer("Filter", [*chosen, selector], few)
        self.types.append("Filter")
        for _ in range(self.random.randint(1, 4)):
            self.random.choice(SIFTED)(self)
        for top in [b for b in self.unread if b in self.blobs]:
            self.sum_of(top)
        self.blobs = all_blobs

    def sum_of(self, top: str) -> None:
        """A loss that any shape can have."""
        fields = "loss_weight: 0.5 reduction_param { operation: SUMSQ coeff: 0.1 }"
        name, blobs = self.name("sum"), f'bottom: "{top}" top: "{top}_sum"'
        self.lines.append(f'layer {{ name: "{name}" type: "Reduction" {blobs} {fields} }}')
        self.unread = [b for b in self.unread if b != top]

    def losses(self) -> None:
        super().losses()
        if self.chance(0.6):
            self.ending()

    def ending(self) -> None:
        """Outputs that are other names of a blob, and a last layer that could be in place of it."""
        whole = [b for b, shape in self.blobs.items() if shape and not b.startswith("loss")]
        source = self.random.choice(whole)
        shape = self.blobs[source]
        for kind in self.random.sample(("Flatten", "Reshape", "Split", "Slice", "Concat", "none"), 2):
            if kind == "Reshape":
                fields = "reshape_param { shape { dim: 0 dim: -1 } }"
                self.layer(kind, [source], {self.name("end"): (prod(shape),)}, fields)
            elif kind == "Split":
                self.layer(kind, [source], {self.name("end"): shape, self.name("end"): shape})
            elif kind != "none":
                tops = {self.name("end"): (prod(shape),) if kind == "Flatten" else shape}
                self.layer(kind, [source], tops)
        last, fields = self.random.choice((("ReLU", ""), ("Power", "power_param { scale: 10 }"), ("TanH", "")))
        top = source if self.chance(0.3) and not source.startswith("data") else self.name("last")
        self.layer(last, [source], {top: shape}, fields)
