"""`netc fit`: estimate the statistics that layers have of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from netc.api import planning
from netc.api.fitting import fit
from netc.cli import _output
from netc.cli._files import STDOUT, say_written, write_bytes
from netc.cli._options import OUTPUT, bad_record_option, executor_options, file_argument, planning_options
from netc.cli._weights import chosen_weights, loading_options, show_loaded, weights_option
from netc.language import Setting
from netc.layer import Shape
from netc.schema.weights_write import dump_weights


@click.command("fit")
@file_argument
@weights_option
@loading_options
@click.option("--iterations", type=click.IntRange(min=1), help="Batches to look at (default: the data once).")
@click.option("-o", "--output", type=OUTPUT, help="File to write (default: NAME_fitted.caffemodel beside the weights).")
@planning_options
@bad_record_option
@executor_options
@click.option("--json", "as_json", is_flag=True, help="What has changed as one line of JSON.")
def command(
    file: Path,
    weights: str | None,
    reshape: bool,
    names: tuple[tuple[str, str], ...],
    iterations: int | None,
    output: Path | None,
    settings: tuple[Setting, ...],
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    as_json: bool,
    **run_options: Any,
) -> None:
    """Estimate the statistics of FILE's layers anew, from its training data: BatchNorm's, Whiten's.

    What layers before them make of the data has changed when weights were pruned, averaged, or trained with statistics
    that stood still. The train net runs on the data once; nothing learns. Statistics that are missing are estimated by
    `netc train` itself.
    """
    if output is not None and output != STDOUT and output.suffix not in (".caffemodel", ""):
        raise click.UsageError("-o names a .caffemodel; `netc convert` makes files of other formats of it")
    definition = planning.load(file, layers=layers, settings=settings)
    files = chosen_weights(weights, definition)
    options = {"inputs": dict(inputs), "reshape": reshape, "names": dict(names), **run_options}
    found = fit(definition, files, iterations or 0, **options)
    show_loaded(found.loaded)
    target = output or files[-1].with_name(f"{files[-1].name.partition('.caffemodel')[0]}_fitted.caffemodel")
    write_bytes(target, dump_weights(found.record.name, found.layers, found.record))
    if as_json:
        _output.print_json({"file": str(target), "layers": found.table})
        return
    table = Table("layer", "type", "items", "largest change", header_style="bold")
    for row in found.table:
        changes = ", ".join(f"{blob} {change:.4g}" for blob, change in row["changes"].items())
        table.add_row(row["layer"], row["type"], f"{row['items']:,}", changes)
    _output.out.print(table)
    say_written(target)
