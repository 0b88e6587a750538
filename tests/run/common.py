"""From text to a net, for tests."""

from collections.abc import Mapping
from typing import Any

from netc import language
from netc.catalogue import catalogue
from netc.errors import Report
from netc.graph import State, build
from netc.layer import Phase, Shape
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
