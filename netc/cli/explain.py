"""`netc explain`: what a name means: a diagnostic code, a layer type, a field, a filler, a policy, an update rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from netc.api.choices import all_choices, described
from netc.api.definition import schema_of
from netc.catalogue import Catalogue, catalogue
from netc.cli import _output
from netc.errors import suggest
from netc.report import explain, named


@click.command("explain")
@click.argument("name", required=False)
@click.option("--list", "list_all", is_flag=True, help="List layer types, what fields may name, and codes.")
@click.option("--layers", type=click.Path(path_type=Path, exists=True), multiple=True, help="Your own layer file.")
def command(name: str | None, list_all: bool, layers: tuple[Path, ...]) -> None:
    """Explain NAME: a layer type (LSTM), a field (kernel_size), fields that go together (transform_param), a filler
    (msra), a learning-rate policy (poly), a solver type (Adam), a value (LMDB), a diagnostic code (LAY002).
    """
    types = catalogue(layers)
    if list_all or name is None:
        _list(types)
        return
    pages = list(_pages(name, types))
    if not pages:
        near = types.usually(name) or suggest(name, _known(types))
        hint = f"; did you mean {near}?" if near else "; `netc explain --list` lists all"
        raise click.BadParameter(f"{name!r} is nothing that netc knows{hint}", param_hint="NAME")
    _output.page("\n".join(pages))


def _pages(name: str, types: Catalogue) -> Iterator[str]:
    """What is called so: a name may mean several things, as `sigmoid`, a layer type and a policy."""
    schema = schema_of(types)
    if (type := explain.type_called(name, types)) is not None:
        yield explain.type_page(types.types[type], schema)
    for choice in named.named(name, all_choices()):
        yield named.choice_page(choice, schema)
    if (code := explain.known_codes().get(name.upper())) is not None:
        yield explain.code_page(code)
    message = named.message_page(name, schema, described)
    for page in (explain.field_page(name, schema, described), message, named.value_page(name, schema)):
        if page is not None:
            yield page


def _known(types: Catalogue) -> list[str]:
    schema = schema_of(types)
    fields = {name for message in map(schema.message, schema.messages) for name in message.fields}
    chosen = [name for kind in all_choices().values() for name in kind]
    return [*types.types, *chosen, *explain.known_codes(), *sorted(fields)]


def _list(types: Catalogue) -> None:
    for name, layer_type in sorted(types.types.items()):
        summary = layer_type.doc.strip().splitlines()[0].rstrip(".")
        _output.line(f"{name:<28}{summary}")
    for kind in all_choices().values():
        for choice in kind.values():
            _output.line(f"{choice.name:<28}{choice.kind}: {choice.meaning}")
    for code in explain.known_codes().values():
        _output.line(f"{code.id:<28}{code.title}")
