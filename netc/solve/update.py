"""One update of all parameters, in Caffe's order: clip by the global norm, divide by iter_size, add decay, the rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import Report, Span, suggest
from netc.jit import kernel
from netc.layer import Array
from netc.run import Net, Parameter
from netc.schema.record import Record
from netc.solve.codes import BAD_VALUE, UNKNOWN_NAME
from netc.solve.policies import learning_rate
from netc.solve.rule import Rule, Update
from netc.solve.rules import rules

REGULARIZATIONS = ("L2", "L1", "L1L2")


def rule_name(p: Record) -> str:
    """The rule that `type`, or the old enum `solver_type`, names."""
    if p.has("solver_type") and not p.has("type"):
        return {name.lower(): name for name in rules()}[p.solver_type.lower()]
    return str(p.type)


def check(p: Record, report: Report) -> None:
    """Report what is wrong with the fields of the update (SOL010, SOL012)."""
    name = rule_name(p)
    rule = rules().get(name)
    if rule is None:
        _unknown(report, "type", name, rules(), p.span_of("type"))
    else:
        for limit in rule.limits:
            value = getattr(p, limit.field)
            if not limit.low <= value < limit.high:
                allowed = f"at least {limit.low:g} and below {limit.high:g}" if limit.high > 1e-30 else "0"
                message = f"{limit.field}: {value:g} does not go with {name}: it must be {allowed}"
                report.error(BAD_VALUE, message, p.span_of(limit.field))
    if p.regularization_type not in REGULARIZATIONS:
        span = p.span_of("regularization_type")
        _unknown(report, "regularization_type", p.regularization_type, REGULARIZATIONS, span)
    for field in ("iter_size", "average_loss"):
        if getattr(p, field) < 1:
            report.error(BAD_VALUE, f"{field} must be at least 1", p.span_of(field))


def _unknown(report: Report, field: str, name: str, known: Any, span: Span | None) -> None:
    close = suggest(name, known)
    help = f'did you mean "{close}"?' if close else f"it may be {', '.join(known)}"
    report.error(UNKNOWN_NAME, f'there is no {field} "{name}"', span, help=help)


CHUNK = 1 << 18
"""Values updated at a time: small enough to share between threads and to stay in the cache, large enough to be worth a
call."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one parameter, its gradient and its memory, as flat arrays."""

    data: Array
    diff: Array
    history: tuple[Array, ...]
    lr_mult: float
    decay_mult: float


class Updater:
    """The update rule of a solver and its memory: `history[k]` holds blob k of each learned parameter, by index.

    Every value is updated by itself, so the number of threads changes no bit.
    """

    def __init__(self, p: Record, net: Net) -> None:
        self.p: Any = p
        self.net = net
        self.rule: Rule = rules()[rule_name(p)]
        self.history: tuple[dict[int, Array], ...] = tuple(
            {b.param.index: np.zeros_like(b.data) for b in net.learned} for _ in range(self.rule.histories)
        )
        self._chunks = [chunk for blob in net.learned for chunk in self._split(blob)]
        self._threads = min(net.threads, len(self._chunks))
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def _split(self, blob: Parameter) -> Iterator[Chunk]:
        assert blob.diff is not None
        arrays = [a.reshape(-1) for a in (blob.data, blob.diff, *(h[blob.param.index] for h in self.history))]
        for start in range(0, blob.data.size, CHUNK):
            data, diff, *history = (a[start : start + CHUNK] for a in arrays)
            yield Chunk(data, diff, tuple(history), blob.param.lr_mult, blob.param.decay_mult)

    def apply(self, iteration: int) -> float:
        """Update every learned parameter by its gradient; returns the learning rate. Gradients become the updates."""
        rate = learning_rate(self.p, iteration)
        scale = self._clip() / self.p.iter_size

        def run(chunks: list[Chunk]) -> None:
            for chunk in chunks:
                self._update(chunk, rate, scale, iteration)

        if self._pool is None:
            run(self._chunks)
        else:
            list(self._pool.map(run, (self._chunks[t :: self._threads] for t in range(self._threads))))
        return rate

    def _update(self, c: Chunk, rate: float, scale: float, iteration: int) -> None:
        p, number = self.p, c.data.dtype.type
        decay = p.weight_decay * c.decay_mult
        added = 0.0 if self.rule.decoupled else decay
        l1 = {"L2": 0.0, "L1": added, "L1L2": p.weight_decay_l1 * c.decay_mult}[p.regularization_type]
        l2 = 0.0 if p.regularization_type == "L1" else added
        if scale != 1:
            _scale(c.diff, number(scale))
        if p.clip_gradients_value >= 0:
            np.clip(c.diff, -number(p.clip_gradients_value), number(p.clip_gradients_value), out=c.diff)
        if l1:
            _regularize(c.data, c.diff, number(l2), number(l1))
        elif l2:
            _decay(c.data, c.diff, number(l2))
        self.rule.update(Update(c.data, c.diff, c.history, rate * c.lr_mult, decay, iteration, p))

    def _clip(self) -> float:
        """What the gradients are multiplied by so that their norm over all parameters is at most clip_gradients."""
        limit = self.p.clip_gradients
        if limit < 0:
            return 1.0
        norm = math.sqrt(sum(_square_sum(c.diff) for c in self._chunks))
        return limit / norm if norm > limit else 1.0


@kernel
def _square_sum(x: Array) -> float:
    total = 0.0
    for i in range(x.size):
        total += float(x[i]) * float(x[i])
    return total


@kernel
def _scale(x: Array, factor: float) -> None:
    for i in range(x.size):
        x[i] *= factor


@kernel
def _decay(data: Array, diff: Array, l2: float) -> None:
    """diff += l2 data: the gradient of l2/2 |data|^2."""
    for i in range(data.size):
        diff[i] += l2 * data[i]


@kernel
def _regularize(data: Array, diff: Array, l2: float, l1: float) -> None:
    """diff += l2 data + l1 sign(data): the gradient of l2/2 |data|^2 + l1 |data|."""
    for i in range(data.size):
        diff[i] += l2 * data[i]
        if data[i] > 0:
            diff[i] += l1
        elif data[i] < 0:
            diff[i] -= l1
