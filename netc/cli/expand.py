"""`netc expand`: the plain prototxt that a .net file stands for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from netc import language
from netc.api.definition import expanded, is_solver, schema_of, typed
from netc.catalogue import Catalogue, catalogue
from netc.cli import _output
from netc.cli._files import STDOUT, write_text
from netc.cli._options import OUTPUT, file_argument, layers_option, settings_option
from netc.errors import Code, Diagnostic
from netc.language.tree import Field, ListValue
from netc.schema.record import MessageType
from netc.schema.text import to_text

CANNOT_SAY = Code(
    "CLI017",
    "plain prototxt for Caffe cannot say this",
    why="`netc expand` writes what Caffe's readers take. They know no stages, turns, sparsity, searches, generation, "
    "and refuse a file that has them. Blocks of the net that are netc's alone are left out; fields of a solver file "
    "stay where they are, because without them it would train something else. This is a warning.",
    example="netc expand nets/systems/charlm.net  # which has a generate block",
    fix="Keep the .net file for netc; for Caffe, say it in its own words (several solver files, one after the other).",
)
_BLOCKS = ("generate", "search")
"""Of a net file, what Caffe has nothing for."""


def _plain(block: language.Block) -> language.Block:
    """What Caffe's net reader knows."""
    return language.Block(tuple(f for f in block.fields if f.name not in ("solver", *_BLOCKS)), block.span)


def _unsaid(document: language.Document, types: Catalogue) -> Iterator[Diagnostic]:
    """A warning (CLI017) for each block that is left out, and for each field of a solver that Caffe does not know."""
    solver = schema_of(types).message("SolverParameter")
    if is_solver(document):
        yield from _netcs(document.block, solver, "stays, but Caffe refuses it")
        return
    for field in document.block.fields:
        if field.name in _BLOCKS:
            message = f"`{field.name}` is left out: Caffe has nothing for it"
            yield Diagnostic(CANNOT_SAY, message, field.name_span, help=CANNOT_SAY.fix, severity="warning")
        elif field.name == "solver" and isinstance(field.value, language.Block):
            yield from _netcs(field.value, solver, "no solver file of Caffe's can say it")


def _netcs(block: language.Block, message: MessageType, said: str) -> Iterator[Diagnostic]:
    """Of each field of the block, once, that only netc has."""
    seen = set[str]()
    for field in _inside(block):
        known = message.fields.get(field.name)
        if known is not None and known.declaration.origin == "netc" and field.name not in seen:
            seen.add(field.name)
            text = f"`{field.name}` is netc's own: {said}"
            yield Diagnostic(CANNOT_SAY, text, field.name_span, help=CANNOT_SAY.fix, severity="warning")


def _inside(block: language.Block) -> Iterator[Field]:
    """The fields of a solver, and those in its stages."""
    for field in block.fields:
        yield field
        if field.name == "stage":
            values = field.value.items if isinstance(field.value, ListValue) else (field.value,)
            for value in values:
                if isinstance(value, language.Block):
                    yield from _inside(value)


@click.command("expand")
@file_argument
@click.option("-o", "--output", type=OUTPUT, default=STDOUT, help="File to write, else stdout.")
@click.option("--legacy", is_flag=True, help="Upgrade old layers and inputs too, for readers that know only `layer`.")
@settings_option
@layers_option
def command(
    file: Path, output: Path, legacy: bool, settings: tuple[language.Setting, ...], layers: tuple[Path, ...]
) -> None:
    """Print FILE as plain prototxt that any Caffe reader takes: statements carried out, composites spelled out.

    What Caffe has nothing for is left out, and said.
    """
    document, types = language.read(file, settings), catalogue(layers)
    plain = expanded(document, types)
    if legacy:
        definition = typed(document, file, types)
        _output.show(definition.warnings)
        text = to_text(definition.record.replace(**dict.fromkeys(("solver", *_BLOCKS))))
    else:
        text = language.write(plain.block if is_solver(plain) else _plain(plain.block))
    if any(field.name == "solver" for field in plain.block.fields):
        _output.say("left out: the solver block, which Caffe reads from a file of its own")
    _output.show(_unsaid(plain, types))
    write_text(output, text)
