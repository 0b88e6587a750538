"""`netc diff`: what differs between two nets."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from netc.api import planning
from netc.cli import _output
from netc.cli._options import net_options
from netc.convert.files import read_net
from netc.language import Setting
from netc.layer import Phase, Shape
from netc.plan.model import Plan
from netc.report import diff

COLOURS = {"-": "red", "+": "green", "~": "yellow"}


@click.command("diff")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@net_options("TEST")
@click.option("--json", "as_json", is_flag=True, help="The differences as one line of JSON.")
def command(
    a: Path,
    b: Path,
    phase: Phase,
    level: int,
    stages: tuple[str, ...],
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Layers removed, added and changed from net A to net B, and what follows: shapes, counts, memory.

    A and B are text files or .caffemodel files. Layers are compared by name; a field that is written with its default
    value is as good as none. Exit code 1 if the nets differ, 0 if they are the same.
    """

    def plan(path: Path) -> Plan:
        definition = read_net(path, layers, settings)
        planned = planning.plan(definition, phase, level=level, stages=stages, batch=batch, inputs=dict(inputs))
        _output.show(planned.warnings)
        return planned

    found = diff.compare(plan(a), plan(b))
    if as_json:
        _output.print_json(found.data())
    else:
        _show(found)
    return 0 if found.same else 1


def _show(found: diff.Difference) -> None:
    for line in diff.lines(found):
        _output.out.print(Text(line, COLOURS.get(line[0], "")))
    if found.same:
        _output.line("the same net")
        return
    table = Table("", *(name or "net" for name in found.names), "change", header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in diff.total_rows(found):
        table.add_row(*row)
    _output.out.print(table)
