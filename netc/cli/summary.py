"""`netc summary`: shapes, receptive fields, parameters, multiply-adds and memory of a net."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api import planning
from netc.cli import _output
from netc.cli._options import file_argument, net_options
from netc.layer import Phase, Shape
from netc.report import summary


@click.command("summary")
@file_argument
@net_options("TEST")
@click.option("--json", "as_json", is_flag=True, help="The summary as one line of JSON.")
def command(
    file: Path,
    phase: Phase,
    level: int,
    stages: tuple[str, ...],
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Shapes, receptive fields, parameters, multiply-adds and memory of FILE, layer by layer.

    A data layer whose source is not there is planned from its batch size and crop size; --input says otherwise.
    """
    definition = planning.load(file, layers=layers)
    plan = planning.plan(definition, phase, level=level, stages=stages, batch=batch, inputs=dict(inputs))
    _output.show((*definition.warnings, *plan.warnings))
    if as_json:
        _output.print_json(summary.summarize(plan))
        return
    _output.out.print(summary.table(plan))
    _output.out.print(summary.memory_line(plan))
    for name in plan.assumed:
        _output.say(f"data layer {name}: its source is not there, its shape is assumed; --input {name}=SHAPE sets it")
