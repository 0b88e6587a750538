"""What is wrong with a solver's fields, whatever net it trains: the same for `netc check` and before training."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import Diagnostic, NetError, Report
from netc.plan import again
from netc.plan.model import Plan
from netc.schema.record import Record
from netc.solve import averages, policies, ranges, sparsity, stages, turns, update
from netc.solve.codes import MISSING, NO_OUTPUT, UNUSED
from netc.solve.rules import rules


def check(record: Record, report: Report) -> None:
    """Report what is wrong with a SolverParameter's names and numbers, in each of its stages.

    SOL010, SOL011, SOL012, SOL017, SOL030.
    """
    stages.check(record, report)
    every: list[Diagnostic] = []
    for p in stages.stages_of(record):
        found = Report()
        _check(p, found)
        every += found.diagnostics
    report.add_new(d for d in every if d.code is not UNUSED or _unused_in_all(d, record, every))


def _unused_in_all(found: Diagnostic, record: Record, every: Sequence[Diagnostic]) -> bool:
    """Whether a field that some stage does not use is that stage's own, or is not used in any stage."""
    shared = any(found.span is span for span in record.spans.values())
    times = sum(d.code is UNUSED and d.span is found.span for d in every)
    return not shared or times >= len(record.stage)


def _check(p: Record, report: Report) -> None:
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
    for stage in stages.stages_of(p):
        policy = policies.POLICIES.get(stage.lr_policy)
        asked = policy is not None and "max_iter" in policy.needs  # then `check` has said so
        if not stage.has("max_iter") and not asked:
            help = "add `max_iter: N`, or say `netc train --iterations N`; a script that calls `step(N)` needs neither"
            report.error(MISSING, "max_iter, the number of iterations, is missing", stage.span, help=help)


def check_early_stop(p: Record, outputs: Sequence[Sequence[str]], report: Report) -> None:
    """Report early stopping that watches what is no output of a test net (SOL014). outputs: their names, for each."""
    for stop in (stage.early_stop for stage in stages.stages_of(p) if stage.has("early_stop")):
        if not any(stop.output in names for names in outputs):
            have = ", ".join(sorted({name for names in outputs for name in names})) or "none"
            message = f'early_stop watches "{stop.output}"; the test nets\' outputs are: {have}'
            report.add_new([Diagnostic(NO_OUTPUT, message, stop.span_of("output"))])


def check_net(record: Record, plan: Plan, report: Report) -> None:
    """Report what the solver says of layers that the net does not have (PLN030, PLN031). plan: of the train net."""
    for p in stages.stages_of(record):
        found = Report()
        sparsity.check(p, plan, found)
        for turn in dict.fromkeys(turns.turns_of(p)):
            try:
                again(plan, plan.graph, turn)
            except NetError as error:
                found.diagnostics += error.diagnostics
        report.add_new(found.diagnostics)


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
