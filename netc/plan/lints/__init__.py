"""What a planned net does that its author probably did not mean. Warnings only; a kind of advice in each file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netc.errors import Diagnostic, Note
from netc.plan.draft import Draft
from netc.plan.lints.in_place import in_place, read_before
from netc.plan.lints.learning import learning
from netc.plan.lints.norm import no_scale
from netc.plan.lints.scores import dropped_scores, one_class, twice
from netc.plan.lints.series import in_series
from netc.plan.lints.unused import unused
from netc.plan.lints.zeros import zeros

ADVICE: tuple[Callable[[Draft], None], ...] = (
    no_scale,
    one_class,
    twice,
    dropped_scores,
    learning,
    zeros,
    in_series,
    unused,
    in_place,
    read_before,
)
MOST_NAMES = 8
ABOUT_TRAINING = {"LAY103"}  # stored statistics in phase TRAIN: nothing to warn of where nothing learns


def lint(draft: Draft) -> None:
    """Give all advice; say what is true of many layers once."""
    for advice in ADVICE:
        advice(draft)
    learns = any(draft.needs_backward)
    wanted = [d for d in draft.report.diagnostics if learns or d.code.id not in ABOUT_TRAINING]
    draft.report.diagnostics = condensed(wanted)


def condensed(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """Warnings that say the same of several layers become one, which names the others in a note."""
    same: dict[object, list[Diagnostic]] = {}
    for position, found in enumerate(diagnostics):
        alike = found.severity == "warning" and not found.notes
        key = (found.code.id, found.subject.said) if alike and found.subject is not None else position
        same.setdefault(key, []).append(found)
    return [_one(found) for found in same.values()]


def _one(alike: list[Diagnostic]) -> Diagnostic:
    first, *others = alike
    if not others:
        return first
    names = [found.subject.layer for found in others if found.subject is not None]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return replace(first, notes=(Note(f"the same is true of {', '.join(names[:MOST_NAMES])}{more}"),))
