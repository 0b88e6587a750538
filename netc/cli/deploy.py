"""`netc deploy`: the net that predicts, derived from the net that trains."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api import planning
from netc.api.deploy import deploy, names
from netc.cli import _output
from netc.cli._files import STDOUT, say_written, write_text
from netc.cli._options import OUTPUT, file_argument, planning_options
from netc.language import Setting
from netc.layer import Shape
from netc.schema.text import to_text


@click.command("deploy")
@file_argument
@click.option("-o", "--output", type=OUTPUT, default=STDOUT, help="File to write, else stdout.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Samples in a batch.")
@click.option("--all-heads", is_flag=True, help="Keep heads that only help training, too.")
@planning_options
def command(
    file: Path,
    output: Path,
    batch: int,
    inputs: tuple[tuple[str, Shape], ...],
    all_heads: bool,
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
) -> None:
    """Turn FILE, a net that trains, into the net that predicts: plain prototxt that every Caffe reads.

    Data layers become Input, losses the Softmax or Sigmoid that they contain; labels and what reads them go.
    """
    definition = planning.load(file, layers=layers, settings=settings)
    found = deploy(definition, batch=batch, inputs=dict(inputs), all_heads=all_heads)
    text = f"# Derived by `netc deploy` from {file.name}.\n{to_text(found.definition.record)}"
    write_text(output, text)
    _output.say(f"inputs: {names(found.inputs)}; outputs: {names(found.outputs)}")
    if found.left_out:
        _output.say(f"left out: {names(found.left_out)}")
    say_written(output)
