"""Which layers run backward, against the passes of Caffe's Net::Init over its own form of the net (with Split layers).

Caffe knows blobs by name: an in-place layer's top is the bottom's blob. A blob with several uses is split, and a loss
weight is a use; a split's tops have names of their own. Caffe also passes on gradients that are zero because nothing
writes them; netc leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from netc.errors import NetError
from netc.plan.model import Plan
from tests.plan.helpers import planned
from tests.plan.random_nets import random_net


@dataclass
class Layer:
    """A layer in Caffe's form: blob names, the loss weights of its tops, what it needs."""

    node: int | None
    bottoms: list[str]
    tops: list[str]
    losses: list[bool]
    asked: list[bool | None]
    learns: bool = False
    needs: bool = False
    gets: list[bool] = field(default_factory=list)


def layers_of(of: Plan) -> list[Layer]:
    """The plan's layers as Caffe has them after InsertSplits."""
    found: list[Layer] = []
    names: dict[tuple[int, int], str] = {}  # what a consumer (node, bottom) calls a value
    for node, planned_layer in zip(of.graph.nodes, of.layers, strict=True):
        bottoms = [names[node.index, i] for i in range(len(node.bottoms))]
        tops, splits = [], []
        for top, value in enumerate(node.tops):
            uses = list(of.graph.values[value].consumers)
            in_place = of.graph.values[value].version > 0 and "_split_" not in bottoms[0] and top == 0
            name = bottoms[0] if in_place else f"v{value}"
            weighted = bool(node.loss_weights[top])
            tops.append(name)
            if len(uses) + weighted > 1 and uses:
                parts = [f"{name}_split_{k}" for k in range(len(uses) + weighted)]
                splits.append(Layer(None, [name], parts, [weighted, *[False] * (len(parts) - 1)], [None]))
                names.update({use: parts[k + weighted] for k, use in enumerate(uses)})
            else:
                names.update(dict.fromkeys(uses, name))
        learns = any(of.params[p].lr_mult != 0 and of.params[p].blob.learned for p in planned_layer.params)
        found.append(Layer(node.index, bottoms, tops, [bool(w) for w in node.loss_weights], [*node.propagate], learns))
        found += splits
    return found


def need_backward(layers: list[Layer]) -> None:
    """Fill in `needs` and `gets`: forward through what learns, then backward from the losses."""
    wanted: dict[str, bool] = {}
    for layer in layers:
        layer.gets = [wanted[b] if a is None else a for b, a in zip(layer.bottoms, layer.asked, strict=True)]
        layer.needs = layer.learns or any(wanted[b] for b in layer.bottoms)
        for top in layer.tops:
            wanted[top] = layer.needs or wanted.get(top, False)
    under_loss, skipped = set[str](), set[str]()
    for layer in reversed(layers):
        contributes = any(layer.losses) or any(t in under_loss for t in layer.tops)
        if layer.needs and all(t in skipped for t in layer.tops):
            layer.needs, layer.gets = False, [False] * len(layer.gets)
        layer.needs &= contributes
        for i, bottom in enumerate(layer.bottoms):
            if contributes:
                under_loss.add(bottom)
            else:
                layer.gets[i] = False
            if not layer.gets[i]:
                skipped.add(bottom)


def drop_zeros(layers: list[Layer]) -> None:
    """Layers whose tops get no gradient from anywhere need not run."""
    reached: set[str] = set()
    for layer in reversed(layers):
        here = any(layer.losses) or any(t in reached for t in layer.tops)
        layer.needs &= here
        if layer.needs:
            reached |= {b for b, g in zip(layer.bottoms, layer.gets, strict=True) if g}


def changed(text: str, random: Random) -> str:
    """The net with some propagate_down and loss_weight put in."""
    lines = []
    for line in text.replace("force_backward: true\n", "").splitlines():
        bottoms, tops = line.count("bottom:"), line.count("top:")
        extra = ""
        if bottoms and "Loss" not in line and random.random() < 0.2:
            extra += "".join(f" propagate_down: {random.choice(('true', 'false'))}" for _ in range(bottoms))
        if tops and "Loss" not in line and "Input" not in line and random.random() < 0.1:
            extra += "".join(f" loss_weight: {random.choice((0, 1))}" for _ in range(tops))
        lines.append(line[:-1] + extra + " }" if extra else line)
    return "\n".join(lines)


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_caffe_runs_the_same_layers(first: int) -> None:
    for seed in range(first, first + 20):
        text = changed(random_net(seed), Random(seed))
        try:
            of = planned(text)
        except NetError as error:
            raise AssertionError(text) from error
        caffes = layers_of(of)
        need_backward(caffes)
        drop_zeros(caffes)
        for layer in caffes:
            if layer.node is None:
                continue
            node, ours = of.graph.nodes[layer.node], of.layers[layer.node]
            theirs = [layer.needs and g and node.type.gives_gradient(i) for i, g in enumerate(layer.gets)]
            assert (node.name, list(ours.bottom_gradient)) == (node.name, theirs), f"seed {seed}\n{text}"
            if layer.learns:
                assert ours.needs_backward == layer.needs, f"{node.name}, seed {seed}\n{text}"
