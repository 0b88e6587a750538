"""`netc diff`: what differs between two nets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from netc.api import planning
from netc.api.metrics import finite
from netc.cli import _output
from netc.cli._files import say_written, write_bytes
from netc.cli._options import OUTPUT
from netc.cli._which import Which, net_options
from netc.convert.files import is_text, read
from netc.convert.model import Model, definition_of
from netc.pages.diff import Side, diff_page
from netc.plan.model import Plan
from netc.report import diff, weights

COLOURS = {"-": "red", "+": "green", "~": "yellow"}


@click.command("diff")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@net_options("TEST")
@click.option("--html", type=OUTPUT, metavar="FILE", help="A page that shows both side by side, and what differs.")
@click.option("--json", "as_json", is_flag=True, help="The differences as one line of JSON.")
def command(
    a: Path,
    b: Path,
    which: Which,
    html: Path | None,
    as_json: bool,
) -> int:
    """Layers removed, added and changed from net A to net B, and what follows: shapes, counts, memory.

    A and B are text files or .caffemodel files; of two weight files, the parameters are compared, too. Layers are
    compared by name; a field that is written with its default value is as good as none. A net that is not there in
    phase TEST is compared as it trains.

    The page of --html holds all that it needs, as that of netc view.

    Exit code 1 if the nets or the parameters differ, 0 if they are the same.
    """
    models = [read(path, which.layers, which.settings if is_text(path) else ()) for path in (a, b)]
    changes = _changed(*models)

    def plan(model: Model) -> Plan:
        definition = definition_of(model)
        phases = {state.phase for state in planning.states(definition)}
        there = replace(which, phase="TRAIN") if phases == {"TRAIN"} else which
        planned = there.plan(definition)
        _output.show(planned.warnings)
        return planned

    only_weights = changes is not None and not any(model.definition for model in models)
    plans = [None if only_weights else plan(model) for model in models]
    one, other = plans
    found = diff.compare(one, other) if one and other else None
    _say(found, changes, as_json)
    if html is not None:
        sides = tuple(Side(m.path.name, p, m.weights) for m, p in zip(models, plans, strict=True))
        write_bytes(html, diff_page((sides[0], sides[1]), found, changes.found if changes else None))
        say_written(html)
    return 0 if (found is None or found.same) and not (changes and changes.found) else 1


@dataclass(frozen=True)
class _Changed:
    """The parameters that differ, of how many."""

    found: list[weights.Change]
    count: int


def _changed(a: Model, b: Model) -> _Changed | None:
    """What differs between the parameters of two models; None if not both have some."""
    if a.weights is None or b.weights is None:
        return None
    count = len({(blob.layer, blob.index) for each in (a.weights, b.weights) for blob in weights.blobs(each)})
    return _Changed(weights.compare(a.weights, b.weights), count)


def _say(found: diff.Difference | None, changes: _Changed | None, as_json: bool) -> None:
    if as_json:
        net = found.data() if found is not None else {"same": True}
        more = {} if changes is None else {"weights": finite([asdict(change) for change in changes.found])}
        same = bool(net["same"]) and not (changes and changes.found)
        _output.print_json({**net, **more, "same": same})
        return
    if found is not None:
        _show(found)
    for line in weights.lines(changes.found, changes.count) if changes is not None else ():
        _output.out.print(Text(line, COLOURS.get(line[0], "")))


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
