"""Random nets of all layer types through every writer of nets: what is written runs and agrees, or is refused by name.

Each net (a function of its seed) is converted to PyTorch, to ONNX, to Caffe's present form, folded or not, and for a
tool that reads it. What was written is run beside netc on the net's inputs, and compared layer by layer
(`netc/convert/check.py`). A target whose package is not installed is counted as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from netc.api.definition import loads
from netc.api.deploy import NO_PREDICTION
from netc.api.planning import plan_state
from netc.convert import files
from netc.convert.caffe import PROFILES
from netc.convert.check import check
from netc.convert.codes import MISSING_PACKAGE, NO_COUNTERPART, NO_COUNTERPART_FIELD
from netc.convert.model import Model, Options
from netc.errors import NetError
from netc.graph import State
from netc.layer import Array
from netc.run import Net
from netc.run.weights import weights_of
from tools.attack import Tally
from tools.attack._wide_nets import WideNet
from tools.attack.nets import Case, fill

TOLERANCE = 1e-3
"""Next to a kink (two equal maxima, a window's edge) rounding decides; 1e-4 is what whole nets are held to."""


def targets(random: Random) -> Iterator[tuple[str, str, Options]]:
    """What a net is converted to: what that is called, the format's ending, and its options."""
    yield "PyTorch", ".py", Options()
    yield "ONNX", ".onnx", Options()
    yield "Caffe", ".caffe", Options(in_place=random.random() < 0.5)
    yield "Caffe, folded", ".caffe", Options(fold=True)
    tool = random.choice(list(PROFILES))
    yield tool, ".caffe", Options(profile=tool, fold=random.random() < 0.5)


def run_one(seed: int, tally: Tally) -> None:
    """Convert the net of a seed to everything."""
    random = Random(seed)
    wide = WideNet(random, "TEST")
    case = Case(seed, wide.text, "TEST", False, "exact", 1, wide.given, tuple(wide.types))
    definition = loads(case.text)
    net = Net(plan_state(definition, State("TEST")), seed=seed)
    fill(net, case)
    model = Model(Path("random.prototxt"), definition, weights_of(net))
    inputs = {name: array.copy() for name, array in net.inputs.items()}
    tally.add("nets")
    for name, ending, options in targets(random):
        with tally.attempt(f"seed {seed}, {name}\n{case.text}"):
            _convert(model, wide.batch, inputs, (name, ending, options), tally)


def _convert(
    model: Model, batch: int, inputs: dict[str, Array], target: tuple[str, str, Options], tally: Tally
) -> None:
    name, ending, options = target
    try:
        made = files.dump(model, ending, replace(options, batch=batch))
        if made.checkable is None:  # losses alone, which a module for PyTorch can have
            tally.add("nets that predict nothing")
            return
        it = made.checkable
        given = {blob: np.resize(inputs[blob], own.shape) for blob, own in it.net().inputs.items()}
        found = check(it, [given], TOLERANCE)
    except NetError as error:
        codes = {d.code for d in error.diagnostics}
        if codes <= {NO_COUNTERPART, NO_COUNTERPART_FIELD}:
            tally.add(f"{name}: refused")
        elif codes == {MISSING_PACKAGE}:
            tally.add(f"{name}: not installed")
        elif codes == {NO_PREDICTION}:
            tally.add("nets that predict nothing")
        else:
            raise
        return
    if found.problem is not None:
        raise NetError(found.problem)
    tally.add(f"{name}: agree")


def run(count: int, seed: int) -> Tally:
    """Convert the nets of `count` seeds."""
    tally = Tally()
    for one in range(count):
        run_one(seed * 1_000_000 + one, tally)
    return tally
