"""`netc explain`: what a diagnostic code means, what a layer type computes, what a field says."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api.choices import described
from netc.api.definition import schema_of
from netc.catalogue import catalogue
from netc.cli import _output
from netc.report import explain


@click.command("explain")
@click.argument("name", required=False)
@click.option("--list", "list_all", is_flag=True, help="List every code and layer type.")
@click.option("--layers", type=click.Path(path_type=Path, exists=True), multiple=True, help="Your own layer file.")
def command(name: str | None, list_all: bool, layers: tuple[Path, ...]) -> None:
    """Explain NAME: a diagnostic code (LAY002), a layer type (LSTM) or a field (kernel_size)."""
    types = catalogue(layers)
    if list_all or name is None:
        _list(types.types, explain.known_codes())
        return
    if (type := explain.type_called(name, types)) is not None:
        page = explain.type_page(types.types[type], schema_of(types))
    elif (code := explain.known_codes().get(name.upper())) is not None:
        page = explain.code_page(code)
    elif (fields := explain.field_page(name, schema_of(types), described)) is not None:
        page = fields
    else:
        near = types.usually(name) or explain.nearest(name, types)
        hint = f"; did you mean {near}?" if near else "; `netc explain --list` lists all"
        raise click.BadParameter(f"{name!r} is no code, layer type or field{hint}", param_hint="NAME")
    _output.page(page)


def _list(types: object, codes: object) -> None:
    assert isinstance(types, dict)
    assert isinstance(codes, dict)
    for name, layer_type in sorted(types.items()):
        summary = layer_type.doc.strip().splitlines()[0].rstrip(".")
        _output.line(f"{name:<28}{summary}")
    for code in codes.values():
        _output.line(f"{code.id:<28}{code.title}")
