"""`netc expand`: the plain prototxt that a .net file stands for."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netc import language
from netc.api.definition import expanded, typed
from netc.catalogue import catalogue
from netc.cli import _output
from netc.cli._files import write_text
from netc.cli._options import file_argument
from netc.schema.wire import to_text


def _without_solver(block: language.Block) -> language.Block:
    """Caffe's net reader knows no solver block."""
    kept = tuple(field for field in block.fields if field.name != "solver")
    if len(kept) < len(block.fields):
        _output.say("left out: the solver block, which Caffe reads from a file of its own")
    return language.Block(kept, block.span)


@click.command("expand")
@file_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write (default: stdout)."
)
@click.option("--legacy", is_flag=True, help="Upgrade old layers and inputs too, for readers that know only `layer`.")
@click.option("--layers", type=click.Path(path_type=Path, exists=True), multiple=True, help="Your own layer file.")
def command(file: Path, output: Path | None, legacy: bool, layers: tuple[Path, ...]) -> None:
    """Print FILE as plain prototxt that any Caffe reader takes: statements carried out, composites spelled out."""
    document, types = language.read(file), catalogue(layers)
    if legacy:
        definition = typed(document, file, types)
        _output.show(definition.warnings)
        text = to_text(definition.record)
    else:
        text = language.write(_without_solver(expanded(document, types).block))
    if output is None:
        sys.stdout.write(text)
    else:
        write_text(output, text)
