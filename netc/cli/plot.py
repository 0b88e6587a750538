"""`netc plot`: the curves of runs."""

from __future__ import annotations

from pathlib import Path

import click

from netc.api.search.curves import charts
from netc.cli._files import STDOUT, say_written, write_bytes
from netc.cli._options import OUTPUT
from netc.report.curve_files import picture


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o", "--output", type=OUTPUT, default=STDOUT, help="File to write, .svg or .png (default: SVG on stdout)."
)
@click.option("--title", default="", help="A line above the curves.")
def command(runs: tuple[Path, ...], output: Path, title: str) -> None:
    """Draw the losses, tests and learning rates of each RUN over iterations, several runs in one picture.

    RUN is a metrics file (PREFIX.metrics.jsonl), the prefix, the net's file if it is called like the prefix, or a
    folder with one metrics file. Of the results of a search (PREFIX.search.jsonl) the tests of its best trials are
    drawn, a line each, and what every trial came to.
    """
    write_bytes(output, picture(charts(runs), title, output.suffix))
    say_written(output)
