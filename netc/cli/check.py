"""`netc check`: read, type and plan a file, and say all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api import planning
from netc.cli import _output
from netc.cli._options import file_argument, planning_options
from netc.errors import NetError
from netc.language import Setting
from netc.layer import Shape
from netc.report.diagnostics import as_lsp


@click.command("check")
@file_argument
@planning_options
@click.option("--json", "as_json", is_flag=True, help="Diagnostics as JSON on stdout, ranges in LSP's form.")
def command(
    file: Path,
    settings: tuple[Setting, ...],
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Say everything that is wrong with FILE, a net or a solver, in each of its phases.

    Exit code 0 if nothing is wrong (there may be warnings), 1 otherwise.
    """
    try:
        diagnostics = planning.check(file, layers=layers, inputs=dict(inputs), settings=settings)
        failed = False
    except NetError as error:
        diagnostics, failed = error.diagnostics, True
    if as_json:
        _output.print_json([as_lsp(d) for d in diagnostics])
    else:
        _output.show(diagnostics)
        errors = sum(d.severity == "error" for d in diagnostics)
        warnings = len(diagnostics) - errors
        verdict = f"{file}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
        _output.say(verdict, "" if failed else "green")
    return 1 if failed else 0
