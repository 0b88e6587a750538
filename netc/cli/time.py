"""`netc time`: how long forward, backward and update take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from netc.api.definition import Definition
from netc.api.session import Net, time_updater
from netc.cli import _output
from netc.cli._options import budget_option, executor_options, file_argument
from netc.cli._which import Which, net_options
from netc.layer import Phase
from netc.plan.usage import readable
from netc.solve.update import Updater


@click.command("time")
@file_argument
@net_options("TRAIN", "TRAIN, or TEST for a net without a loss")
@click.option("--iterations", type=click.IntRange(min=1), default=10, show_default=True, help="Counted passes.")
@executor_options
@budget_option
@click.option("--explain", is_flag=True, help="Also each layer's kernels, time and share of the machine's peak.")
@click.option("--json", "as_json", is_flag=True, help="The medians as one line of JSON.")
def command(
    file: Path,
    which: Which,
    iterations: int,
    explain: bool,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Time FILE's net on random data: medians over --iterations passes, after two that are not counted.

    Phase TRAIN times forward, backward and one SGD update; phase TEST times forward alone.
    """
    definition = which.load(file)
    phase = which.phase if which.chosen else _phase(definition, which)
    net = Net(definition, phase, **which.options, synthetic=True, **run_options)
    _output.show((*net.definition.warnings, *net.plan.warnings))
    updater = time_updater(net) if net.plan.backward_planned else None
    times = passes(net, updater, iterations)
    medians = {f"{name}_ms": round(statistics.median(v), 4) for name, v in times.items()}
    result = {
        "forward_ms": 0.0,
        "backward_ms": 0.0,
        "update_ms": 0.0,
        **medians,
        "peak_bytes": peak_bytes(net, updater),
    }
    if as_json:
        _output.print_json(result)
        return
    if explain:
        _explain(net)
    for name, values in times.items():
        low, high = np.percentile(values, (10, 90))
        _output.out.print(f"{name:<10}{statistics.median(values):>10.3f} ms   (10-90 %: {low:.3f} to {high:.3f})")
    _output.out.print(f"memory    {readable(peak_bytes(net, updater)):>10}   (blobs, parameters and gradients)")


def _phase(definition: Definition, which: Which) -> Phase:
    """TRAIN, but TEST for a net that has nothing to learn from: a deploy net as it is used."""
    training = which.plan(definition, training=False)
    return "TRAIN" if any(any(node.loss_weights) for node in training.graph.nodes) else "TEST"


def _explain(net: Net) -> None:
    """Print what each layer runs on and how long it takes."""
    fast: Any = import_module("netc.run.fast")  # costly to import
    profiling: Any = import_module("netc.run.profile")
    if not isinstance(net.executor, fast.Fast):
        _output.out.print("--explain is for the fast executor (float32)")
        return
    threads = net.executor.team.threads
    peak = profiling.peak(threads)
    _output.out.print(f"peak      {2e-9 * peak:>10.0f} GFlop/s on {threads} threads; Winograd and bf16 may pass it")
    for t in profiling.profile(net.executor):
        share = f"{100 * t.share(peak):>5.0f} %" if t.macs else " " * 7
        way = "backward" if t.backward else "forward"
        _output.out.print(f"{t.layer:<28} {way:<8} {t.milliseconds:>9.3f} ms {share}  {', '.join(t.kernels)}")


def passes(net: Net, updater: Updater | None, iterations: int) -> dict[str, list[float]]:
    """Milliseconds of each pass by name, and of a whole step as training runs it: with updates made in backward."""
    parts: dict[str, Callable[[], object]] = {"forward": net.forward}
    if updater is not None:
        parts |= {"backward": net.backward, "update": lambda: updater.apply(0)}
    found: dict[str, list[float]] = {name: [] for name in (*parts, "step")}
    for i in range(iterations + 2):
        taken = {name: _timed(run) for name, run in parts.items()}
        taken["step"] = sum(taken.values())
        if updater is not None:
            if updater.updates_in_backward:
                taken["step"] = _timed(net.forward) + _timed(lambda: updater.backward(0))
            net.zero_param_diffs()
        if i >= 2:
            for name, seconds in taken.items():
                found[name].append(seconds * 1e3)
    return found


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def peak_bytes(net: Net, updater: Updater | None) -> int:
    """Bytes of the net itself: the arena, the parameters, and their gradients if these have memory of their own."""
    learned = sum(b.array.nbytes for b in net.learned) if updater is not None and not updater.updates_in_backward else 0
    parameters = sum(b.array.nbytes for b in net.parameters.all)
    return net.executor.planned_bytes + parameters + learned
