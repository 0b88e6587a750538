"""Which values a solver's numbers may have: one table, for every command, and before training.

Caffe looks at a few of them only, and trains on with the rest: a NaN in `base_lr` makes every parameter NaN, and
`clip_gradients: 0` every gradient 0. What cannot be meant is an error here, what Caffe carries out but hardly anybody
means a warning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netc.errors import Report, Span
from netc.schema.record import Record
from netc.solve.codes import BAD_VALUE


@dataclass(frozen=True, slots=True)
class Doubt:
    """Values from `low` to `high` that are allowed, but warned of: what they do, and what to write instead.

    but: of these, a value that is not warned of.
    """

    low: float
    high: float
    said: str
    help: str
    but: float = math.nan

    def about(self, value: float) -> bool:
        """Whether it is said of this value."""
        return self.low <= value <= self.high and value != self.but


@dataclass(frozen=True, slots=True)
class Range:
    """Finite values that are at least `least`, at most `most` and below `below`; `doubts` are warned of."""

    least: float = -math.inf
    most: float = math.inf
    below: float = math.inf
    doubts: tuple[Doubt, ...] = ()

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self.least <= value <= self.most and value < self.below

    def __str__(self) -> str:
        if self.least == self.most:
            return f"{self.least:g}"
        bounds = ((f"at least {self.least:g}", self.least), (f"at most {self.most:g}", self.most))
        said = [text for text, bound in bounds if math.isfinite(bound)]
        said += [f"below {self.below:g}"] if math.isfinite(self.below) else []
        return " and ".join(said) or "a finite number"


_NEGATIVE, _BELOW_ZERO = math.nextafter(0, -1), -math.inf
FINITE, FROM_0, FROM_1 = Range(), Range(0), Range(1)
NONE, SHARE = Range(0, 0), Range(0, below=1)
QUOTIENT = Range(0, doubts=(Doubt(0, 0, "a gradient of 0 gives 0 / 0, which is NaN", "1e-8 is usual"),))
"""What is added to what a rule divides by."""
_RATE = Range(
    doubts=(
        Doubt(_BELOW_ZERO, _NEGATIVE, "a negative rate makes the loss grow", "write it without the minus"),
        Doubt(0, 0, "at a rate of 0 nothing is learned", "give the rate to learn at"),
    )
)
_START = Range(doubts=_RATE.doubts[:1])
_DECAY = Range(doubts=(Doubt(_BELOW_ZERO, _NEGATIVE, "a negative decay makes weights grow", "write it positive"),))
_CLIP = Range(
    doubts=(
        Doubt(0, 0, "a limit of 0 makes every gradient 0: nothing is learned", "leave it out for no limit"),
        Doubt(
            _BELOW_ZERO, _NEGATIVE, "a negative limit is none", "leave it out for no limit, or write a positive one", -1
        ),
    )
)
_EVERY = Range(
    doubts=(Doubt(_BELOW_ZERO, _NEGATIVE, "as in Caffe, the minus counts for nothing", "write 0 for never"),)
)

RANGES: Mapping[str, Range] = {
    "test_iter": Range(0, doubts=(Doubt(0, 0, "a test of 0 batches tests nothing", "give the number of batches"),)),
    "test_interval": FROM_0,
    "display": _EVERY,
    "average_loss": FROM_1,
    "max_iter": FROM_0,
    "iter_size": FROM_1,
    "snapshot": _EVERY,
    "device_id": FINITE,
    "random_seed": FINITE,
    "base_lr": _RATE,
    "gamma": FROM_0,
    "power": FINITE,
    "stepsize": FROM_1,
    "stepvalue": FROM_0,
    "momentum": Range(
        doubts=(
            Doubt(1, math.inf, "each update holds all of the last one: updates grow without end", "0.9 is usual"),
            Doubt(_BELOW_ZERO, _NEGATIVE, "updates go against the last ones", "write it without the minus"),
        )
    ),
    "momentum2": FINITE,
    "rms_decay": FINITE,
    "delta": FINITE,
    "weight_decay": _DECAY,
    "clip_gradients": _CLIP,
    "warmup_iter": FROM_0,
    "warmup_start_lr": _START,
    "weight_decay_l1": _DECAY,
    "clip_gradients_value": _CLIP,
    "plateau_winsize": FROM_1,
    "rampup_interval": FROM_0,
    "rampup_lr": _START,
    "min_lr": FROM_0,
    "stagelr": _START,
    "stageiter": FROM_0,
    "fit_iter": FROM_0,
    "sparsity": SHARE,
    "sparsity_iter": FROM_0,
    "sparsity_interval": FROM_1,
}
"""Every number of a SolverParameter; update rules and policies have ranges of their own for some (`checks`)."""

EARLY_STOP: Mapping[str, Range] = {"patience": FROM_1, "min_delta": FROM_0}
"""Every number of an `early_stop`."""

TURN: Mapping[str, Range] = {"steps": FROM_1}
"""Every number of a `turn`."""


def look(p: Record, ranges: Mapping[str, Range], report: Report, whose: Mapping[str, str] | None = None) -> None:
    """Report the numbers of a record that are written and out of these ranges (SOL012).

    whose: of a field, with what the range holds ("with Adam"), if not always.
    """
    for field, allowed in ranges.items():
        where = f" {whose[field]}" if whose and field in whose else ""
        for value, span in _values(p, field) if p.has(field) else ():
            if value not in allowed:
                report.error(BAD_VALUE, f"{field} must be {allowed}{where}, but is {value:g}", span)
            for doubt in (d for d in allowed.doubts if value in allowed and d.about(value)):
                report.warning(BAD_VALUE, f"{field}: {value:g}: {doubt.said}", span, help=doubt.help)


def _values(p: Record, field: str) -> Iterator[tuple[float, Span | None]]:
    """The values of a field, with where they stand."""
    value: Any = getattr(p, field)
    if isinstance(value, tuple):
        yield from ((each, p.span_of(field, index)) for index, each in enumerate(value))
    else:
        yield value, p.span_of(field)
