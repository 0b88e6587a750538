"""`netc gradcheck`: is every gradient of a net the derivative of its loss?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from netc.api import planning
from netc.api.gradcheck import Checked, gradcheck
from netc.api.metrics import finite
from netc.cli import _output
from netc.cli._options import bad_record_option, file_argument, planning_options, state_options
from netc.data import OnBadRecord
from netc.graph import State
from netc.language import Setting
from netc.layer import Shape, format_shape

WHY_ZERO = "ReLUs that are zero everywhere, or a batch of one class do this"


@click.command("gradcheck")
@file_argument
@state_options
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Samples in the batch, or whole groups of `together`.",
)
@click.option("--values", type=click.IntRange(min=1), default=20, show_default=True, help="Values of each blob.")
@click.option("--tolerance", type=float, default=1e-4, show_default=True, help="Largest relative error.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the parameters and of the choice of values.")
@planning_options
@bad_record_option
@click.option("--json", "as_json", is_flag=True, help="The table as one line of JSON.")
def command(
    file: Path,
    level: int,
    stages: tuple[str, ...],
    batch: int,
    values: int,
    tolerance: float,
    seed: int,
    inputs: tuple[tuple[str, Shape], ...],
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
    as_json: bool,
    on_bad_record: OnBadRecord,
) -> int:
    """Check the gradients of FILE's train net numerically, in float64, on a small batch.

    For each parameter blob the largest relative error between its gradient and central differences of the loss. Exit
    code 1 if one is above --tolerance. A few layers of forks have a gradient of their own that is not the derivative:
    what lies before them is not counted as wrong.
    """
    definition = planning.load(file, layers=layers, settings=settings)
    state = State("TRAIN", level, stages)
    table = Table("blob", "shape", "values", "error", "gradient", "numeric", "", title=f"gradients of {file.name}")
    found: list[Checked] = []
    options: dict[str, Any] = {"batch": batch, "values": values, "seed": seed, "on_bad_record": on_bad_record}
    for checked in gradcheck(definition, state=state, inputs=dict(inputs), **options):
        found.append(checked)
        table.add_row(*_row(checked, tolerance))
    wrong = any(c.wrong(tolerance) for c in found)
    excused = [c for c in found if not c.fine(tolerance) and c.excuse]
    if as_json:
        _output.print_json([_json(c, tolerance) for c in found])
    else:
        _output.out.print(table)
    verdict = f"{sum(c.fine(tolerance) for c in found)} of {len(found)} blobs within {tolerance:g}"
    if excused:
        verdict += f", {len(excused)} that are no derivatives: {'; '.join(sorted({c.excuse for c in excused}))}"
    zero = [c.blob for c in found if c.zero]
    _output.say(verdict, "bold red" if wrong else "yellow" if zero else "green")
    if zero:
        names = ", ".join(zero[:6]) + (f" and {len(zero) - 6} more" if len(zero) > 6 else "")
        _output.say(f"the gradient of {names} is exactly zero: nothing was compared; {WHY_ZERO}", "yellow")
    return 1 if wrong else 0


def _row(c: Checked, tolerance: float) -> tuple[str, ...]:
    said = "WRONG" if c.wrong(tolerance) else "all zero" if c.zero else "" if c.fine(tolerance) else "no derivative"
    if c.kinks:
        said += f" {c.kinks} at kinks"
    return (
        c.blob,
        format_shape(c.shape),
        str(c.values),
        f"{c.error:.1e}",
        f"{c.analytic:.6g}",
        f"{c.numeric:.6g}",
        said.strip(),
    )


def _json(c: Checked, tolerance: float) -> object:
    return finite(
        {
            "layer": c.layer,
            "blob": c.blob,
            "shape": list(c.shape),
            "values": c.values,
            "error": c.error,
            "kinks": c.kinks,
            "fine": c.fine(tolerance),
            "excuse": c.excuse,
            "all_zero": c.zero,
        }
    )
