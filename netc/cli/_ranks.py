"""A command in several processes: rank 0 speaks as the command does, the others only of errors, with their rank."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from netc.cli import _output
from netc.errors import NetError
from netc.solve.ranks import ALONE, Overlap, Ranks, ranks_of_launcher

F = TypeVar("F", bound=Callable[..., Any])
GRACE = 2.0
"""Seconds that other ranks wait before they say what is wrong: if it is what rank 0 says, that has ended them."""


def ranks_options(function: F) -> F:
    """--mpi, --mpi-timeout, --mpi-overlap and --allow-mixed: training in several processes."""
    for option in (
        click.option(
            "--mpi",
            type=click.Choice(["auto", "off"]),
            default="auto",
            show_default=True,
            help="Train with the other ranks of an MPI launcher (mpirun, srun), where one has started this, or alone.",
        ),
        click.option(
            "--mpi-timeout",
            type=click.FloatRange(min=1),
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="All ranks end when one has not been heard of for so long.",
        ),
        click.option(
            "--mpi-overlap",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            show_default=True,
            help="Exchange gradients while backward goes on: where a core is left for it, always, or never.",
        ),
        click.option("--allow-mixed", is_flag=True, help="Let ranks have processors that round differently."),
    ):
        function = option(function)
    return function


@contextmanager
def together(mpi: str, timeout: float, overlap: Overlap = "auto") -> Iterator[Ranks]:
    """The ranks that this process belongs to, until they part. What one of them raises ends all of them."""
    ranks = ranks_of_launcher(timeout, overlap) if mpi == "auto" else ALONE
    if ranks.size == 1:
        yield ranks
        return
    if ranks.rank > 0:
        _output.quiet()
    try:
        yield ranks
        ranks.close()
    except BaseException as error:
        _end(ranks, error)


def _end(ranks: Ranks, error: BaseException) -> None:
    """Say what is wrong, and end all ranks: those that wait for this one would wait for ever."""
    if ranks.rank > 0:
        time.sleep(GRACE)
        _output.quiet(False)
        _output.say(f"rank {ranks.rank}:")
    code = (
        130 if isinstance(error, KeyboardInterrupt | click.Abort) else 2 if isinstance(error, click.UsageError) else 1
    )
    if isinstance(error, NetError):
        _output.show(error.diagnostics)
    elif isinstance(error, click.ClickException):
        _output.say(error.format_message())
    elif code == 1:
        _output.say("".join(traceback.format_exception(error)))
    ranks.abort(code)
