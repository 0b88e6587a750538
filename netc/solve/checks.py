"""What is wrong with a solver's fields, whatever net it trains: the same for `netc check` and before training."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import Report
from netc.schema.record import Record
from netc.solve import averages, policies, ranges, turns, update
from netc.solve.codes import MISSING, NO_OUTPUT
from netc.solve.rules import rules


def check(p: Record, report: Report) -> None:
    """Report what is wrong with a SolverParameter's names and numbers (SOL010, SOL011, SOL012, SOL017)."""
    errors = len(report.diagnostics)
    policies.check(p, report)
    update.check(p, report)
    averages.check(p, report)
    turns.check(p, report)
    _check_ranges(p, report)
    if not any(d.severity == "error" for d in report.diagnostics[errors:]):
        policies.check_course(p, report)


def check_length(p: Record, report: Report) -> None:
    """Report that a solver does not say how long it trains (SOL011), which only `step` need not know."""
    if not p.has("max_iter") and not any(d.code is MISSING and "max_iter" in d.message for d in report.diagnostics):
        help = "add `max_iter: N`, or say `netc train --iterations N`; a script that calls `step(N)` needs neither"
        report.error(MISSING, "max_iter, the number of iterations, is missing", p.span, help=help)


def check_early_stop(p: Record, outputs: Sequence[Sequence[str]], report: Report) -> None:
    """Report early stopping that watches what is no output of a test net (SOL014). outputs: their names, for each."""
    if p.has("early_stop") and not any(p.early_stop.output in names for names in outputs):
        have = ", ".join(sorted({name for names in outputs for name in names})) or "none"
        message = f'early_stop watches "{p.early_stop.output}"; the test nets\' outputs are: {have}'
        report.error(NO_OUTPUT, message, p.early_stop.span_of("output"))


def _check_ranges(p: Record, report: Report) -> None:
    """Of a field that policy or rule have a range for, that one; none for fields that only other policies read."""
    policy, rule = policies.POLICIES.get(p.lr_policy or "fixed"), rules().get(update.rule_name(p))
    allowed, whose = dict(ranges.RANGES), dict[str, str]()
    if policy is not None:
        allowed |= policy.ranges
        whose |= dict.fromkeys(policy.ranges, f'with lr_policy "{p.lr_policy}"')
        allowed = {field: allowed[field] for field in allowed if not policies.is_unused(field, policy)}
    if rule is not None:
        allowed |= rule.ranges
        whose |= dict.fromkeys(rule.ranges, f"with {rule.name}")
    ranges.look(p, allowed, report, whose)
    if p.has("early_stop"):
        ranges.look(p.early_stop, ranges.EARLY_STOP, report)
    for turn in p.turn:
        ranges.look(turn, ranges.TURN, report)
