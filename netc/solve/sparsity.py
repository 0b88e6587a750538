"""Sparse weights: how many of a layer's are zero when, and which.

The smallest in absolute value go first (Han et al. 2015), of each parameter by itself. `sparsity` is reached at once,
or gradually, over `sparsity_iter` iterations: after t of n of them the share of zeros is s (1 - (1 - t / n)^3) (Zhu &
Gupta 2017, with an initial sparsity of 0). A mask keeps what was taken out at zero, to the bit.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from netc.errors import Report, suggest
from netc.jit import kernel
from netc.layer import Array
from netc.plan.learners import NAMES_NOTHING
from netc.plan.model import Param, Plan
from netc.plan.turns import Pattern, named, users
from netc.schema.record import Record
from netc.solve.codes import BAD_VALUE, UNUSED


def patterns_of(p: Record) -> tuple[Pattern, ...]:
    """The patterns of the layers whose weights become sparse; none: all."""
    return tuple(Pattern(text, p.span_of("sparse", i)) for i, text in enumerate(p.sparse))


def becomes_sparse(param: Param, names: Collection[str], patterns: Collection[Pattern]) -> bool:
    """Whether a parameter is one of weights (not a bias, or a scale of channels), and meant by the patterns."""
    return param.blob.learned and len(param.shape) > 1 and (not patterns or named(patterns, names))


def check(p: Record, plan: Plan, report: Report) -> None:
    """Report patterns that name no weights that learn (PLN030), and fields that say nothing without sparsity."""
    if not p.sparsity:
        for name in ("sparse", "sparsity_iter", "sparsity_interval"):
            if p.has(name):
                report.warning(UNUSED, f"{name} says nothing without sparsity", p.span_of(name))
        return
    names = users(plan.graph, plan.params, (layer.params for layer in plan.layers))
    known = [names[param.index] for param in plan.params if becomes_sparse(param, (), ())]
    for pattern in patterns_of(p):
        if not any(pattern.names(each) for each in known):
            every = sorted(set().union(*known))
            close = suggest(pattern.text, every)
            help = f'did you mean "{close}"?' if close else f"there are {', '.join(every[:8]) or 'none'}"
            report.error(NAMES_NOTHING, f'"{pattern.text}" names no weights', pattern.span, help=help)
    if p.has("max_iter") and p.sparsity_iter >= p.max_iter > 0:
        message = (
            f"a sparsity of {p.sparsity:g} is reached after {p.sparsity_iter} iterations, the last is {p.max_iter - 1}"
        )
        report.error(BAD_VALUE, message, p.span_of("sparsity_iter"), help="sparsity_iter below max_iter reaches it")


def due(p: Any, iteration: int) -> float | None:
    """The share of zeros from an iteration of the stage on; None where it stays as it is."""
    ramp = p.sparsity_iter
    if not p.sparsity or iteration > ramp or (iteration % p.sparsity_interval and iteration != ramp):
        return None
    return float(p.sparsity * (1 - (1 - iteration / ramp) ** 3)) if ramp else float(p.sparsity)


def zeros(size: int, share: float) -> int:
    """How many of so many weights are zero at a share: the nearest number, a half rounded up."""
    return int(size * share + 0.5)


def prune(values: Array, mask: Array, share: float) -> None:
    """Take weights out until the share of them is zero: the smallest, of equal ones the first. In place.

    values: of any shape, contiguous. mask: uint8, flat, 1 for weights that are in; what is out stays out.
    """
    flat, count = values.reshape(-1), zeros(mask.size, share)
    sizes = np.where(mask, np.abs(flat), -1)
    if count > mask.size - int(mask.sum()):
        limit = np.partition(sizes, count - 1)[count - 1]
        out = np.flatnonzero(sizes < limit)
        ties = np.flatnonzero(sizes == limit)[: count - out.size]
        mask[out] = mask[ties] = 0
    flat[mask == 0] = 0


@kernel
def keep(values: Array, mask: Array) -> None:
    """Put 0 where the mask is 0."""
    for i in range(values.size):
        if mask[i] == 0:
            values[i] = 0


def packed(mask: Array) -> bytes:
    """A mask as bits, the first in the least place of the first byte."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpacked(bits: bytes, size: int) -> Array | None:
    """The mask of so many weights that bits say, None if there are not as many."""
    if len(bits) != (size + 7) // 8:
        return None
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=size, bitorder="little")
