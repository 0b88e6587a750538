"""Random nets of all layer types as ONNX files: each agrees with netc, or is refused with what it is refused for.

Each net (a function of its seed: `_wide_nets`) is exported and run by onnxruntime beside netc, layer by layer
(netc/convert/check.py); losses and measures are taken off nine nets in ten. No file is written that onnxruntime does
not load; a net may be refused only for a type or a field that has no counterpart, which the diagnostic names. Two nets
in three leave sizes of their inputs free, as far as the net allows, and are run at other sizes, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import numpy as np

from netc.api.definition import Definition, loads
from netc.convert.check import Inputs, check
from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD, NOT_FREE
from netc.convert.model import Checkable
from netc.convert.onnx import WRITERS, export
from netc.convert.onnx.runner import OnnxRuntime
from netc.convert.onnx.sizes import Sizes, sizes_of
from netc.convert.predicting import Predicting
from netc.errors import NetError
from netc.graph import State, build
from netc.layer import Array
from netc.plan import plan
from netc.run import Net
from netc.schema.record import Record
from tools.attack import Tally
from tools.attack._wide_nets import WideNet
from tools.attack.nets import Case, fill

TOLERANCE = 2e-4  # of an array's largest value: chains of layers that were never trained
GRAFTS = 2  # besides those that a net has by chance
WHOLE = 10  # every so manieth net keeps its losses and measures
REFUSED = (NO_COUNTERPART, NO_COUNTERPART_FIELD)


class _Grafted(WideNet):
    """A net with more layers as examples have them."""

    def grow(self) -> None:
        super().grow()
        for _ in range(GRAFTS):
            self.graft()


def case(seed: int) -> Case:
    """A net with grafts of examples of either phase; whatever it is, it is converted in phase TEST."""
    random = Random(seed)
    net = _Grafted(random, random.choice(("TRAIN", "TRAIN", "TEST")))
    return Case(seed, net.text, "TEST", False, "exact", 1, net.given, tuple(net.types))


def run(count: int, seed: int) -> Tally:
    """Convert so many nets, the first of this seed."""
    tally, types = Tally(), set[str]()
    for number in range(count):
        types |= run_one(seed * 1_000_000 + number, tally)
    tally.add("layer types", len(types))
    return tally


def run_one(seed: int, tally: Tally) -> set[str]:
    """Convert a net and compare; gives the types of its layers that were compared."""
    of = case(seed)
    with tally.attempt(str(of)):
        tally.add("nets")
        definition = loads(of.text)
        if seed % WHOLE:
            definition = replace(definition, record=_predicting(definition))
        net = Net(plan(build(definition.record, definition.types, State("TEST")), training=False))
        fill(net, of)
        return _judge(of, net, tally)
    return set()


def _predicting(definition: Definition) -> Record:
    """The net without layers that only training has, and without what reads from them."""
    gone, kept = set[str](), []
    for layer in definition.record.layer:
        known = definition.types.types[layer.type]
        if (known in WRITERS or known.role.fed == "caller") and gone.isdisjoint(layer.bottom):
            kept.append(layer)
        else:
            gone |= set(layer.top) - set(layer.bottom)
    return definition.record.replace(layer=tuple(kept))


def _judge(of: Case, net: Net, tally: Tally) -> set[str]:
    sizes = _sizes(net, of.seed)
    try:
        made = export(Predicting.of(net), sizes)
    except NetError as error:
        for problem in error.diagnostics:
            if problem.code not in (*REFUSED, NOT_FREE):
                tally.fail(f"{of}\nrefused: {problem}")
            elif problem.code is NO_COUNTERPART and problem.message.split()[-1] in {t.name for t in WRITERS}:
                tally.fail(f"{of}\nrefused, but there is a writer: {problem}")
        tally.add("refused")
        return set()
    found = check(Checkable(lambda: net, lambda: OnnxRuntime(made)), _inputs(net, sizes, of), TOLERANCE)
    tally.add("runs", found.runs)
    tally.add("of them at other sizes", found.runs - 1)
    tally.add("blobs compared", found.compared)
    if found.problem is not None:
        tally.fail(f"{of}\n{found.problem}")
    elif found.compared != found.computed:
        tally.fail(f"{of}\n{found.compared} of {found.computed} blobs were compared")
    return {node.type.name for node in net.graph.nodes}


def _sizes(net: Net, seed: int) -> Sizes:
    """The net's sizes with some axes free, as far as it allows; every third net has none."""
    free: list[str] = []
    for letter in ((), ("N",), ("N", "H", "W"))[seed % 3]:
        try:
            sizes_of(net.plan, (*free, letter))
        except NetError:
            continue
        free.append(letter)
    return sizes_of(net.plan, tuple(free))


def _inputs(net: Net, sizes: Sizes, of: Case) -> Iterator[Inputs]:
    """The net's own inputs; at other sizes, their values over and over, so that they hold what they may."""
    own = {name: array.copy() for name, array in net.inputs.items()}
    yield own
    for shapes in sizes.inputs[:2]:
        given: dict[str, Array] = {name: np.resize(own[name], shapes.get(name, own[name].shape)) for name in own}
        if _is_taken(net, given):
            yield given


def _is_taken(net: Net, inputs: Inputs) -> bool:
    """Whether netc runs the net on these inputs: a mask or an index may point outside what is smaller now."""
    try:
        other = Net(plan(net.graph, training=False, inputs={n: a.shape for n, a in inputs.items()}), params=net)
        for name, array in inputs.items():
            other.set_input(name, array)
        other.forward()
    except NetError:
        return False
    return True
