"""`netc draw`: a picture of a net."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netc.api import planning
from netc.cli import _output
from netc.cli._files import write_bytes
from netc.cli._options import file_argument, net_options
from netc.errors import Code, Diagnostic, NetError
from netc.layer import Phase, Shape
from netc.report.draw import draw

NO_DOT = Code(
    "CLI001",
    "Graphviz is not installed",
    why="Pictures are laid out by Graphviz's `dot` program, which pip cannot install.",
    example="netc draw nets/digits.net -o digits.svg",
    fix="Install the `graphviz` package of your system, or write dot text (`-o net.dot`) and lay it out elsewhere.",
)


@click.command("draw")
@file_argument
@net_options("TRAIN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; its ending says the format: .dot, .svg, .png, .pdf. Without it, dot text goes to stdout.",
)
@click.option("--direction", type=click.Choice(["TB", "LR", "BT", "RL"]), default="TB", show_default=True)
def command(
    file: Path,
    phase: Phase,
    level: int,
    stages: tuple[str, ...],
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    output: Path | None,
    direction: str,
) -> None:
    """Draw FILE: layers as boxes, blobs with their shapes as arrows."""
    definition = planning.load(file, layers=layers)
    plan = planning.plan(definition, phase, level=level, stages=stages, batch=batch, inputs=dict(inputs))
    _output.show((*definition.warnings, *plan.warnings))
    picture = draw(plan, direction)
    if output is None:
        sys.stdout.write(picture.source)
        return
    kind = output.suffix.lstrip(".").lower() or "svg"
    data = picture.source.encode() if kind in ("dot", "gv") else _laid_out(picture, kind)
    write_bytes(output, data)
    _output.say(f"wrote {output}")


def _laid_out(picture: object, kind: str) -> bytes:
    import graphviz  # noqa: PLC0415

    assert isinstance(picture, graphviz.Digraph)
    if kind not in graphviz.FORMATS:
        raise click.BadParameter(f"unknown format .{kind}; use .dot, .svg, .png or .pdf", param_hint="--output")
    try:
        return bytes(picture.pipe(format=kind))
    except graphviz.ExecutableNotFound as error:
        help = "install Graphviz, or write dot text with -o net.dot"
        raise NetError(Diagnostic(NO_DOT, "drawing needs Graphviz's dot program", help=help)) from error
