"""`netc view`: a page to look at a net with."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api import planning
from netc.api.session import Net
from netc.cli import _output
from netc.cli._files import say_written, write_bytes
from netc.cli._options import OUTPUT, file_argument, net_options
from netc.cli._weights import show_loaded
from netc.language import Setting
from netc.layer import Phase, Shape
from netc.pages.view import view_page


@click.command("view")
@file_argument
@net_options("TRAIN")
@click.option("--weights", help="Show the filters and values of these .caffemodel files (separated by commas), too.")
@click.option("-o", "--output", type=OUTPUT, help="The page to write (default: FILE with the ending .html).")
def command(
    file: Path,
    phase: Phase,
    level: int,
    stages: tuple[str, ...],
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    settings: tuple[Setting, ...],
    weights: str | None,
    output: Path | None,
) -> None:
    """Write a page of HTML that shows FILE.

    The net to move in, search and fold; of each layer its shapes, fields, costs, what it computes and what it sees; the
    memory over the schedule; filters and values of --weights.

    The page holds all that it needs: it opens from the file, and asks no network.
    """
    definition = planning.load(file, layers=layers, settings=settings)
    plan = planning.plan(definition, phase, level=level, stages=stages, batch=batch, inputs=dict(inputs))
    _output.show((*definition.warnings, *plan.warnings))
    net = None
    if weights:
        options = {"level": level, "stages": stages, "batch": batch, "inputs": dict(inputs), "training": False}
        net = Net(definition, phase, weights=weights.split(","), **options)  # type: ignore[arg-type]
        show_loaded(net.loaded)
    path = output or Path(f"{file.stem}.html")
    write_bytes(path, view_page(definition, plan, net))
    say_written(path)
