"""`netc draw`: a picture of a net."""

from __future__ import annotations

from pathlib import Path

import click

from netc.cli import _output
from netc.cli._files import STDOUT, say_written, write_bytes
from netc.cli._options import OUTPUT, file_argument
from netc.cli._which import Which, net_options
from netc.report import rendering
from netc.report.diagram import Style
from netc.report.draw import draw


@click.command("draw")
@file_argument
@net_options("TRAIN")
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    default=STDOUT,
    help="File to write; its ending says the format: .dot, .svg, .png, .pdf. Without it, dot text goes to stdout.",
)
@click.option(
    "--style",
    type=click.Choice(["plain", "compact", "full"]),
    default="plain",
    show_default=True,
    help="plain: layers in place go with the layer above, composites are frames. compact: a composite is a box. "
    "full: each layer by itself, with its parameters and its work.",
)
@click.option("--direction", type=click.Choice(["TB", "LR", "BT", "RL"]), default="TB", show_default=True)
def command(
    file: Path,
    which: Which,
    output: Path,
    style: Style,
    direction: str,
) -> None:
    """Draw FILE: layers as boxes, blobs with their shapes as arrows."""
    definition = which.load(file)
    plan = which.plan(definition)
    _output.show((*definition.warnings, *plan.warnings))
    source = draw(plan, direction, style).source
    kind = output.suffix.lstrip(".").lower() or ("dot" if output == STDOUT else "svg")
    write_bytes(output, rendering.picture(source, kind))
    say_written(output)
