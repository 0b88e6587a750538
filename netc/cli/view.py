"""`netc view`: a page to look at a net with."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api.session import Net
from netc.cli import _output
from netc.cli._files import say_written, write_bytes
from netc.cli._options import OUTPUT, file_argument
from netc.cli._weights import show_loaded
from netc.cli._which import Which, net_options
from netc.pages.view import view_page


@click.command("view")
@file_argument
@net_options("TRAIN")
@click.option("--weights", help="Show the filters and values of these .caffemodel files (separated by commas), too.")
@click.option("-o", "--output", type=OUTPUT, help="The page to write (default: FILE with the ending .html).")
def command(
    file: Path,
    which: Which,
    weights: str | None,
    output: Path | None,
) -> None:
    """Write a page of HTML that shows FILE.

    The net to move in, search and fold; of each layer its shapes, fields, costs, what it computes and what it sees; the
    memory over the schedule; filters and values of --weights.

    The page holds all that it needs: it opens from the file, and asks no network.
    """
    definition = which.load(file)
    plan = which.plan(definition)
    _output.show((*definition.warnings, *plan.warnings))
    net = None
    if weights:
        net = Net(definition, which.phase, weights=weights.split(","), training=False, **which.options)
        show_loaded(net.loaded)
    path = output or Path(f"{file.stem}.html")
    write_bytes(path, view_page(definition, plan, net))
    say_written(path)
