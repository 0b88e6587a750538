"""`netc expand`: the plain prototxt that a .net file stands for."""

from __future__ import annotations

from pathlib import Path

import click

from netc import language
from netc.api.definition import expanded, typed
from netc.catalogue import catalogue
from netc.cli import _output
from netc.cli._files import STDOUT, write_text
from netc.cli._options import OUTPUT, file_argument, layers_option, settings_option
from netc.schema.text import to_text

_LEFT_OUT = {
    "solver": "the solver block, which Caffe reads from a file of its own",
    "generate": "the generate block, which Caffe does not know",
}


def _plain(block: language.Block) -> language.Block:
    """What Caffe's net reader knows."""
    kept = tuple(field for field in block.fields if field.name not in _LEFT_OUT)
    for name in dict.fromkeys(field.name for field in block.fields if field.name in _LEFT_OUT):
        _output.say(f"left out: {_LEFT_OUT[name]}")
    return language.Block(kept, block.span)


@click.command("expand")
@file_argument
@click.option("-o", "--output", type=OUTPUT, default=STDOUT, help="File to write, else stdout.")
@click.option("--legacy", is_flag=True, help="Upgrade old layers and inputs too, for readers that know only `layer`.")
@settings_option
@layers_option
def command(
    file: Path, output: Path, legacy: bool, settings: tuple[language.Setting, ...], layers: tuple[Path, ...]
) -> None:
    """Print FILE as plain prototxt that any Caffe reader takes: statements carried out, composites spelled out."""
    document, types = language.read(file, settings), catalogue(layers)
    if legacy:
        definition = typed(document, file, types)
        _output.show(definition.warnings)
        text = to_text(definition.record)
    else:
        text = language.write(_plain(expanded(document, types).block))
    write_text(output, text)
