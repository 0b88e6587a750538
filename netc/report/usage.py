"""The memory of a net as a table, a curve over its steps, and data for `--json`."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from netc.layer import format_shape
from netc.plan.budget import Fit
from netc.plan.usage import Usage, readable

BARS = " ▁▂▃▄▅▆▇█"
WIDTH = 72
SHOWN = 12  # arrays of the peak, and layers


def totals(usage: Usage) -> Table:
    """Where the bytes are."""
    out = Table(title=f"memory ({usage.executor} executor)", title_justify="left", header_style="bold")
    out.add_column("what", no_wrap=True)
    out.add_column("bytes", justify="right", no_wrap=True)
    out.add_column("share", justify="right", no_wrap=True)
    for name, count in usage.parts.items():
        if count:
            out.add_row(name, readable(count), f"{count / max(1, usage.total):.0%}")
    out.add_section()
    out.add_row("planned peak", readable(usage.total), "", style="bold")
    return out


def on_reference_kernels(usage: Usage) -> str:
    """The layers that the fast executor has no kernels of its own for; "" if it has for all."""
    names = usage.on_reference_kernels
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"on reference kernels: {', '.join(names[:SHOWN])}{more}" if names else ""


def at_peak(usage: Usage) -> Table:
    """What is alive in the arena when most is, the largest first."""
    title = f"alive at the peak, {usage.steps[usage.peak]}: {readable(usage.curve[usage.peak])}"
    out = Table(title=title, title_justify="left", header_style="bold")
    for heading in ("array", "of", "layer", "shape"):
        out.add_column(heading, no_wrap=True)
    out.add_column("bytes", justify="right", no_wrap=True)
    for a in usage.alive[:SHOWN]:
        out.add_row(Text(a.name), a.kind, Text(a.layer), format_shape(a.shape) if a.shape else "", readable(a.nbytes))
    if rest := usage.alive[SHOWN:]:
        out.add_row(f"{len(rest)} more", "", "", "", readable(sum(a.nbytes for a in rest)))
    return out


def curve(usage: Usage) -> str:
    """A bar for each stretch of steps: the most bytes alive there, against the peak."""
    count, top = len(usage.curve), max(1, *usage.curve)
    width = min(WIDTH, count)
    bars = [
        max(usage.curve[i * count // width : max(i * count // width + 1, (i + 1) * count // width)])
        for i in range(width)
    ]
    line = "".join(BARS[-(-b * (len(BARS) - 1) // top)] for b in bars)
    backward = next((i for i, step in enumerate(usage.steps) if step.startswith("backward")), count)
    turn = min(width, backward * width // count)
    below = "forward".ljust(turn)[:turn] + "backward"[: width - turn]
    return f"{line}  {readable(top)}\n{below}"


def fitted(fit: Fit) -> str:
    """What a budget changes."""
    if not fit.plan.recomputed:
        return f"within the budget as it is: {readable(fit.before.total)}"
    nodes = fit.plan.graph.nodes
    kinds: dict[str, int] = {}
    for layer in sorted(fit.plan.recomputed):
        kinds[nodes[layer].type.name] = kinds.get(nodes[layer].type.name, 0) + 1
    names = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
    return (
        f"before: {readable(fit.before.total)}; with the budget: {readable(fit.usage.total)}\n"
        f"run again in backward: {len(fit.plan.recomputed)} layers ({names})\n"
        f"more work: {fit.macs:,} multiply-adds and {fit.values:,} values a step, about {fit.slower:.0%} more time"
    )


def as_json(usage: Usage, fit: Fit | None = None) -> dict[str, object]:
    """A net's memory, and what a budget changes, as JSON-able data; bytes throughout."""
    found: dict[str, Any] = {
        "executor": usage.executor,
        "total_bytes": usage.total,
        "parameters_bytes": usage.parameters,
        "gradients_bytes": usage.gradients,
        "history_bytes": usage.history,
        "arena_bytes": usage.arena,
        "lower_bound_bytes": max(usage.curve, default=0),
        "on_reference_kernels": list(usage.on_reference_kernels),
        "peak_step": usage.steps[usage.peak],
        "alive": [
            {"name": a.name, "kind": a.kind, "layer": a.layer, "shape": list(a.shape), "bytes": a.nbytes}
            for a in usage.alive
        ],
        "curve": [{"step": step, "bytes": count} for step, count in zip(usage.steps, usage.curve, strict=True)],
    }
    if fit is not None:
        nodes = fit.plan.graph.nodes
        found["budget"] = {
            "before_bytes": fit.before.total,
            "recomputed": [nodes[layer].name for layer in sorted(fit.plan.recomputed)],
            "recomputed_macs": fit.macs,
            "recomputed_values": fit.values,
            "estimated_slowdown": round(fit.slower, 4),
        }
    return found
