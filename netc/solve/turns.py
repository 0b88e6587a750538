"""The turns of an iteration, as a solver says them."""

from __future__ import annotations

from netc.errors import Report
from netc.plan.turns import Pattern, Turn
from netc.schema.record import Record
from netc.solve.codes import BAD_VALUE

CHOOSING = ("learn", "loss", "turn")
"""The fields that say what learns from which loss."""


def turns_of(p: Record) -> tuple[Turn | None, ...]:
    """The turn of each update of an iteration, in order; None where everything learns from every loss."""
    if not p.turn:
        return (_turn(p),)
    return tuple(_turn(turn) for turn in p.turn for _ in range(turn.steps))


def _turn(p: Record) -> Turn | None:
    turn = Turn(_patterns(p, "learn"), _patterns(p, "loss"), p.span)
    return None if turn.is_whole else turn


def _patterns(p: Record, field: str) -> tuple[Pattern, ...]:
    return tuple(Pattern(text, p.span_of(field, i)) for i, text in enumerate(getattr(p, field)))


def check(p: Record, report: Report) -> None:
    """Report what stands beside turns (SOL012); the plan of a turn finds patterns that name nothing."""
    for name in ("learn", "loss"):
        if p.turn and p.has(name):
            help = f"write {name} in each turn"
            report.error(BAD_VALUE, f"{name} stands beside turns, which say it themselves", p.span_of(name), help=help)
