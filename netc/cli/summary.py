"""`netc summary`: shapes, receptive fields, parameters, multiply-adds and memory of a net."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from netc.api import memory
from netc.api.metrics import finite
from netc.cli import _output
from netc.cli._options import budget_option, executor_options, file_argument
from netc.cli._which import Which, net_options
from netc.convert.files import is_text, read
from netc.convert.model import Model
from netc.errors import NetError
from netc.plan.budget import Fit, Make
from netc.plan.model import Plan
from netc.plan.usage import fixed, readable
from netc.report import summary, weights
from netc.report import usage as usage_report
from netc.schema.record import Record
from netc.schema.weights import Weights


@click.command("summary")
@file_argument
@net_options("TEST")
@click.option(
    "--memory", "with_memory", is_flag=True, help="What memory is for, at each step (by default of training)."
)
@budget_option
@executor_options
@click.option("--expand", is_flag=True, help="Every layer, also those that a composite made.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one line of JSON.")
@click.option("--csv", "form", flag_value="csv", help="Every layer as a line of comma-separated values.")
@click.option("--markdown", "form", flag_value="markdown", help="The table in Markdown.")
def command(
    file: Path,
    which: Which,
    with_memory: bool,
    budget: str | None,
    executor: str,
    threads: int | None,
    expand: bool,
    as_json: bool,
    form: str | None,
) -> None:
    """Shapes, receptive fields, parameters, multiply-adds and memory of FILE, layer by layer.

    Of a weight file (.caffemodel, HDF5, .safetensors): its blobs, and how their values are distributed.

    What a composite made is one row, unless --expand. Where the terminal is narrow ($COLUMNS), counts are short
    (3.54 M), then names are shortened in the middle, then the columns "sees", "type" and "blob" go; no number is cut.
    A data layer whose source is not there is planned from its batch size and crop size; --input says otherwise.
    --memory shows the planned peak of training (or, with --phase TEST, of inference) and what is alive then; --budget
    says what would run again in backward to stay within it, and how much longer a step would take. Nothing is compiled.
    The JSON's memory.reference_arena is the arena that the reference executor would take, whichever will run.
    """
    with_memory = with_memory or budget is not None
    if with_memory and not which.chosen:
        which = replace(which, phase="TRAIN")
    if not is_text(file):
        _weights(read(file, which.layers, which.settings), as_json)
        return
    definition = which.load(file)

    def make(again: Collection[int] = ()) -> Plan:
        return which.plan(definition, recompute=again)

    plan = make()
    _output.show((*definition.warnings, *plan.warnings))
    if with_memory:
        solver = memory.solver_of(definition) if plan.backward_planned else None
        _memory(plan, make, solver, budget, as_json, executor=executor, threads=threads)
    elif as_json:
        _output.print_json(summary.summarize(plan))
    elif form is not None:
        _output.content(summary.csv(plan) if form == "csv" else summary.markdown(plan, expand))
    else:
        table = summary.table(plan, _output.out.width, expand)
        for line in (*table, "", *summary.totals(plan), _line(plan, executor)):
            _output.out.print(line)
    if as_json or form is not None:
        return
    for node in plan.graph.nodes:
        blobs = [plan.graph.values[v].name for v in node.tops]
        if node.key in plan.assumed and not any(name in blobs for name in which.options["inputs"]):
            said = f"its source is not there, its shape is assumed; --input {blobs[0]}=SHAPE sets it"
            _output.say(f"data layer {node.name}: {said}")


def _weights(model: Model, as_json: bool) -> None:
    """What is in a weight file."""
    found = model.weights or Weights(model.path.name, ())
    if as_json:
        _output.print_json(finite(weights.data(found)))
        return
    for line in weights.table(found, _output.out.width):
        _output.out.print(line)


def _line(plan: Plan, executor: str) -> str:
    """What the plan alone says of memory; lowering it for the fast executor takes a moment, and is for --memory."""
    if executor != "fast":
        return f"memory: {memory.measure(executor)(plan)}"
    parameters = readable(fixed(plan, 0)["parameters"])
    return f"memory: parameters {parameters}; --memory shows all that the fast executor takes"


def _with_usage(found: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
    """The summary of a net, with all that is known of its memory."""
    return {**found, "memory": {**usage, **found["memory"]}}


def _memory(
    plan: Plan, make: Make, solver: Record | None, budget: str | None, as_json: bool, **run_options: Any
) -> None:
    fit: Fit | None = None
    usage = memory.measure(solver=solver, **run_options)(plan)
    problem: NetError | None = None
    if budget is not None:
        try:
            fit = memory.within(budget, make, solver=solver, **run_options)
            usage = fit.usage
        except NetError as error:
            problem = error
    if as_json and problem is None:
        _output.print_json(_with_usage(summary.summarize(plan), usage_report.as_json(usage, fit)))
    elif not as_json:
        _output.out.print(usage_report.totals(usage))
        _output.out.print(usage_report.curve(usage))
        _output.out.print(usage_report.at_peak(usage))
        if slow := usage_report.on_reference_kernels(usage):
            _output.out.print(slow)
        if fit is not None:
            _output.out.print(usage_report.fitted(fit))
    if problem is not None:
        raise problem
