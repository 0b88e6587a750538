"""From text to a net, for tests."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from netc import language
from netc.catalogue import catalogue
from netc.errors import Report
from netc.graph import State, build
from netc.layer import Array, Phase, Shape
from netc.plan import plan
from netc.plan.model import Plan
from netc.run import Net
from netc.schema.load import load_net, load_solver
from netc.schema.record import Record
from netc.schema.registry import base_schema


def definition(text: str) -> Record:
    types, report = catalogue(), Report()
    schema = base_schema().extended(types.messages, types.layer_fields)
    record = load_net(language.parse(text, "net.prototxt"), schema, report)
    report.finish()
    return record


def solver_record(text: str) -> Record:
    report = Report()
    record = load_solver(language.parse(text, "solver.prototxt"), base_schema(), report)
    report.finish()
    return record


def planned(text: str, phase: Phase = "TRAIN", *, inputs: Mapping[str, Shape] | None = None, **options: Any) -> Plan:
    graph = build(definition(text), catalogue(), State(phase))
    return plan(graph, **{"training": phase == "TRAIN", "given": {}, "inputs": inputs or {}, **options})


def make(text: str, phase: Phase = "TRAIN", *, training: bool | None = None, keep: bool = False, **options: Any) -> Net:
    train = phase == "TRAIN" if training is None else training
    return Net(planned(text, phase, training=train, keep=keep), **options)


def fill(net: Net, seed: int) -> None:
    """Random inputs and parameters, of sizes that keep values near 1 from layer to layer."""
    random = np.random.default_rng(seed)
    for name, array in net.inputs.items():
        classes = re.match(r"labels(\d+)_", name)
        given = random.integers(0, int(classes[1]), array.shape) if classes else random.normal(size=array.shape)
        net.set_input(name, given)
    for parameter in net.parameters.all:
        shape, size = parameter.data.shape, parameter.data.size
        wide = len(shape) > 1
        parameter.data[...] = (
            random.normal(size=shape) / np.sqrt(max(1, size / shape[0])) if wide else random.uniform(0.5, 1.5, shape)
        )


def run(net: Net) -> dict[str, Array]:
    """Outputs, gradients and changed parameters of two passes."""
    found: dict[str, Array] = {}
    for turn in range(2):
        found |= {f"output {k} of pass {turn}": v for k, v in net.forward().items()}
        if net.plan.backward_planned:
            net.backward()
            found |= {f"gradient of {name}": net.diffs[name].copy() for name in net.inputs if name in net.diffs}
    for i, parameter in enumerate(net.parameters.all):
        found[f"parameter {i}"] = parameter.data.copy()
        if parameter.diff is not None:
            found[f"gradient of parameter {i}"] = parameter.diff.copy()
    return found
