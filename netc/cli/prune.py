"""`netc prune`: make trained weights sparse, once."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from netc.api import planning
from netc.api.pruning import Pruned, prune
from netc.cli import _output
from netc.cli._files import STDOUT, say_written, write_bytes
from netc.cli._options import OUTPUT, file_argument, planning_options
from netc.cli._weights import chosen_weights, weights_option
from netc.language import Setting
from netc.layer import Shape
from netc.schema.weights_write import dump_weights


@click.command("prune")
@file_argument
@weights_option
@click.option(
    "--sparsity",
    type=click.FloatRange(0, 1, max_open=True),
    required=True,
    help="Share of each layer's weights that are zero afterwards: 0.9.",
)
@click.option("--only", "patterns", multiple=True, metavar="PATTERN", help="Layers to prune (fc*); may be repeated.")
@click.option("-o", "--output", type=OUTPUT, help="File to write (default: NAME_pruned.caffemodel beside the weights).")
@planning_options
@click.option("--json", "as_json", is_flag=True, help="What became of each layer as one line of JSON.")
def command(
    file: Path,
    weights: str | None,
    sparsity: float,
    patterns: tuple[str, ...],
    output: Path | None,
    settings: tuple[Setting, ...],
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Make FILE's trained weights sparse: of each layer's, the smallest in absolute value become zero.

    Weights are blobs of more than one axis; biases, scales and statistics stay. What is zero is not stored, so the file
    gets smaller; netc reads it as any other, and `netc convert` writes it for Caffe, which knows no such files.
    Training goes on from it with `--weights`, where `sparsity` in the solver keeps the zeros.
    """
    if output is not None and output != STDOUT and output.suffix not in (".caffemodel", ""):
        raise click.UsageError("-o names a .caffemodel; `netc convert` makes files of other formats of it")
    definition = planning.load(file, layers=layers, settings=settings)
    files = chosen_weights(weights, definition)
    found = prune(definition, files, sparsity, patterns, dict(inputs))
    target = output or files[-1].with_name(f"{files[-1].name.partition('.caffemodel')[0]}_pruned.caffemodel")
    write_bytes(target, dump_weights(found.record.name, found.layers, found.record))
    if as_json:
        data = [{"name": p.name, "weights": p.size, "zeros": p.zeros, "before": p.before} for p in found.params]
        _output.print_json({"sparsity": _share(found.params), "file": str(target), "parameters": data})
        return
    _show(found.params)
    say_written(target)


def _share(params: tuple[Pruned, ...]) -> float:
    return sum(p.zeros for p in params) / max(1, sum(p.size for p in params))


def _show(params: tuple[Pruned, ...]) -> None:
    table = Table("parameter", "weights", "zero before", "zero", "share", "largest that went", header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for p in params:
        table.add_row(
            p.name, f"{p.size:,}", f"{p.before:,}", f"{p.zeros:,}", f"{p.zeros / p.size:.4f}", f"{p.largest:.4g}"
        )
    _output.out.print(table)
    _output.line(f"{_share(params):.4f} of {sum(p.size for p in params):,} weights are zero")
