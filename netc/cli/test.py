"""`netc test`: run the test net on trained weights and average its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from netc.api.session import Net
from netc.cli import _output
from netc.cli._options import executor_options, file_argument, net_options
from netc.cli._weights import show_loaded
from netc.layer import Phase, Shape


@click.command("test")
@file_argument
@net_options("TEST")
@click.option("--weights", required=True, help=".caffemodel files (separated by commas), by layer name.")
@click.option("--iterations", type=click.IntRange(min=1), default=50, show_default=True, help="Batches to run.")
@executor_options
@click.option("--json", "as_json", is_flag=True, help="The averages as one line of JSON.")
def command(
    file: Path,
    phase: Phase,
    level: int,
    stages: tuple[str, ...],
    batch: int | None,
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    weights: str,
    iterations: int,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Run FILE's net on --weights and average each output over the batches."""
    net = Net(
        file,
        phase,
        level=level,
        stages=stages,
        batch=batch,
        inputs=dict(inputs),
        layers=layers,
        weights=weights.split(","),
        training=False,
        **run_options,
    )
    _output.show((*net.definition.warnings, *net.plan.warnings))
    show_loaded(net.loaded)
    if net.inputs:
        _output.say(f"no data for {', '.join(net.inputs)}: they are zero", "yellow")
    sums: dict[str, Any] = {}
    for _ in range(iterations):
        for name, value in net.forward().items():
            sums[name] = sums.get(name, 0.0) + value.astype(np.float64)
    means = {name: total / iterations for name, total in sums.items()}
    if as_json:
        _output.print_json({n: float(v) if v.size == 1 else v.tolist() for n, v in means.items()})
        return
    table = Table("output", "mean", title=f"{net.graph.name}, {iterations} batches", title_justify="left")
    for name, value in means.items():
        table.add_row(
            name, f"{float(value):.6g}" if value.size == 1 else f"{value.size} values, mean {value.mean():.6g}"
        )
    _output.out.print(table)
