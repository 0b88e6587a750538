"""`netc scale`: how fast a net would train on several machines, by a step that is measured here."""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from netc.api.session import Net, time_updater
from netc.cli import _output
from netc.cli._options import executor_options, file_argument
from netc.cli._which import Which, net_options
from netc.cli.time import passes
from netc.errors import Code, Diagnostic, NetError
from netc.plan.counts import batch_size
from netc.run.executor import Buckets
from netc.solve.ranks.cores import usable_cores
from netc.solve.scaling import Measured, Network, doubling, memory_seconds, predicted

NO_TRAINING = Code(
    "CLI018",
    "the net has nothing to train",
    why="What several machines make faster is training. A net without a loss, or in which nothing learns, has no "
    "gradients that they would exchange.",
    example="netc scale deploy.prototxt",
    fix="Give the net, or the solver, that is trained.",
)
MOST_LOOKS = 3  # passes in which it is looked when backward has done with what
_BITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class Quantity(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number and a unit: `25Gb/s` (or `3GB/s`) in bytes a second, `5us` in seconds."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        if self.name == "rate" and (m := re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)([bB])(?:/s|ps)", text)):
            found = float(m[1]) * _BITS[m[2]] / (8 if m[3] == "b" else 1)
        elif self.name == "time" and (m := re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|ms|us|ns)", text)):
            return float(m[1]) * _SECONDS[m[2]]
        else:
            self.fail(
                f"{text!r} is none: write {'25Gb/s or 3GB/s' if self.name == 'rate' else '5us or 1ms'}", param, ctx
            )
        return found if found > 0 else self.fail("it must be more than nothing", param, ctx)


class Nodes(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """`1..256`: 1, 2, 4, ... 256; or one number."""

    name = "nodes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        m = re.fullmatch(r"([1-9]\d{0,5})(?:\.\.([1-9]\d{0,5}))?", str(value))
        if m is None or int(m[2] or m[1]) < int(m[1]):
            self.fail(f"{value!r} is neither a number nor a range like 1..256", param, ctx)
        return tuple(doubling(int(m[1]), int(m[2] or m[1])))


@click.command("scale")
@file_argument
@net_options("TRAIN", "TRAIN")
@click.option("--nodes", type=Nodes(), default="1..256", show_default=True, help="How many machines, one rank each.")
@click.option("--network", type=Quantity("rate"), default="25Gb/s", show_default=True, help="Of each machine.")
@click.option("--latency", type=Quantity("time"), default="5us", show_default=True, help="Of a message.")
@click.option("--iterations", type=click.IntRange(min=1), default=10, show_default=True, help="Measured steps.")
@executor_options
@click.option("--json", "as_json", is_flag=True, help="The table as one line of JSON.")
def command(
    file: Path,
    which: Which,
    nodes: tuple[int, ...],
    network: float,
    latency: float,
    iterations: int,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Predict how fast FILE's net would train on several machines like this one.

    A step is measured here, on random data; what machines exchange is reckoned by latency and bandwidth
    (docs/cluster.md). The last column is the batch of each machine from which on 90 % of its speed is left.
    """
    net = Net(which.load(file), which.phase, **which.options, synthetic=True, **run_options)
    _output.show((*net.definition.warnings, *net.plan.warnings))
    if not (net.plan.backward_planned and net.learned):
        raise NetError(Diagnostic(NO_TRAINING, f"{file}: nothing in it is trained", help=NO_TRAINING.fix))
    measured = _measured(net, iterations)
    table = [predicted(measured, Network(network, latency), count) for count in nodes]
    if as_json:
        _output.print_json(
            {"measured": {**asdict(measured), "gradients": measured.gradients}, "nodes": [asdict(row) for row in table]}
        )
        return
    shown = Table(header_style="bold")
    for heading in (
        "nodes",
        "images a step",
        "ms a step",
        "exchange",
        "hidden",
        "images/s",
        "efficiency",
        "batch for 90 %",
    ):
        shown.add_column(heading, justify="right")
    for row in table:
        hidden = f"{row.hidden:.0%}" if row.exchange else ""
        shown.add_row(
            f"{row.ranks:,}", f"{row.ranks * measured.images:,}", f"{1e3 * row.step:.1f}", f"{1e3 * row.exchange:.1f}",
            hidden, f"{row.images_per_second:,.0f}", f"{row.efficiency:.0%}", f"{row.batch:,}",
        )  # fmt: skip
    _output.out.print(shown)
    mb, step = measured.gradients / 1e6, 1e3 * measured.step
    _output.out.print(f"measured here: {step:.1f} ms a step of {measured.images} images; {mb:.1f} MB of gradients")


def _measured(net: Net, iterations: int) -> Measured:
    """A step as each of several ranks makes it (gradients are kept, and updated apart from backward), and alone."""
    updater = time_updater(net, update_in_backward=True)
    times = {name: statistics.median(values) / 1e3 for name, values in passes(net, updater, iterations).items()}
    blobs = [b for b in reversed(net.learned) if b.added is not None]
    looks = [_done(net, tuple(frozenset({b.param.index}) for b in blobs)) for _ in range(min(iterations, MOST_LOOKS))]
    shares = [statistics.median(look[i] / look[-1] for look in looks) for i in range(len(blobs))]
    return Measured(
        images=batch_size(net.plan),
        forward=times["forward"],
        backward=times["backward"],
        update=times["update"],
        step=times["step"],
        done=tuple((at * times["backward"], b.array.nbytes) for at, b in zip(shares, blobs, strict=True)),
        clear=statistics.median(_clear(net) for _ in range(MOST_LOOKS)),
        memory=memory_seconds(net.parameters.gradient.size),
        overlaps=net.threads < len(usable_cores()),
    )


def _clear(net: Net) -> float:
    begin = time.perf_counter()
    net.zero_param_diffs()
    return time.perf_counter() - begin


def _done(net: Net, params: Buckets) -> list[float]:
    """Seconds from the begin of backward until it has done with each parameter and those before it."""
    found: list[float] = []
    net.forward()
    begin = time.perf_counter()
    net.backward_by_buckets(params, lambda: found.append(time.perf_counter() - begin))
    return found
