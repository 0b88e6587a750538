"""Functions of one value: Sigmoid, TanH, ELU, AbsVal, BNLL, Clip, ReLU6, Swish, Exp, Log and Power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netc.fast.old.kernels import functions as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step

POWERS = {1.0: "linear", 2.0: "square", 3.0: "cube", 0.5: "root", -1.0: "inverse"}


@dataclass(frozen=True, slots=True)
class Known:
    """A function of `netc.fast.old.kernels.functions`, and its constants."""

    name: str
    constants: tuple[float, ...] = ()


def _elu(p: Any, _g: Any) -> Known | None:
    return Known("elu", (p.alpha,)) if p.alpha >= 0 else None


def _power(p: Any, constant: bool) -> Known | None:
    name = POWERS.get(p.power)
    return Known(name, (p.scale, p.shift)) if name and not constant else None


def _log(p: Any, factor: float) -> Known | None:
    return Known("log", (p.scale, p.shift)) if factor == 1 else None


FUNCTIONS: dict[str, Callable[[Any, Any], Known | None]] = {
    "AbsVal": lambda _p, _g: Known("absolute"),
    "BNLL": lambda _p, _g: Known("softplus"),
    "Clip": lambda p, _g: Known("clip", (p.min, p.max)),
    "ELU": _elu,
    "Exp": lambda _p, g: Known("exp", (g.rate, g.factor)),
    "Log": _log,
    "Power": _power,
    "ReLU6": lambda p, _g: Known("relu6") if not p.negative_slope else None,
    "Sigmoid": lambda _p, _g: Known("sigmoid"),
    "Swish": lambda p, _g: Known("swish", (p.beta,)),
    "TanH": lambda _p, _g: Known("tanh"),
}


def _known(b: Builder, layer: int) -> Known | None:
    node = b.plan.graph.nodes[layer]
    fields = getattr(node.record, node.type.param) if node.type.param else node.record
    return FUNCTIONS[node.type.name](fields, b.planned(layer).setup.geometry)


def accepts(b: Builder, layer: int) -> Layout | None:
    layout = b.native.get(b.plan.graph.nodes[layer].bottoms[0], "plain")
    possible = layout == "blocked" or b.is_flat(b.bottom(layer))
    return layout if possible and _known(b, layer) is not None else None


def _is_blocked(b: Builder, layer: int) -> bool:
    return b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked"


def forward(b: Builder, layer: int) -> None:
    read, write = (b.read, b.write) if _is_blocked(b, layer) else (b.read_flat, b.write_flat)
    known = _known(b, layer)
    assert known is not None
    x = read(b.bottom(layer))
    b.emit(kernels.forward(known.name, x, write(b.top(layer)), known.constants, known.name))


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    read, write = (b.read, b.write) if _is_blocked(b, layer) else (b.read_flat, b.write_flat)
    known, reads = _known(b, layer), b.planned(layer).setup.reads
    assert known is not None
    dy = read(step.top_diffs[0])
    kept = read(b.top(layer) if "y" in reads else b.bottom(layer)) if reads else dy
    b.emit(kernels.gradient(known.name, kept, dy, write(target), known.constants, f"{known.name} gradient"))


FAMILY = Family(tuple(FUNCTIONS), accepts, forward, backward)
