"""The learning rate of an iteration: the policies of Caffe's solver, cosine, and a warm-up before any of them.

A rate is a pure function of the solver's fields and the iteration, so resuming needs no state for it; but for plateau,
whose steps `plateau` counts. Formulas: Caffe's `SGDSolver::GetLearningRate`, NVCaffe's of 0.17 (rampup, min_lr) and
Intel's (warm-up, of Goyal et al. 2017); cosine, Loshchilov & Hutter 2017 (without restarts).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netc.errors import Report, suggest
from netc.schema.record import Record
from netc.solve.codes import BAD_VALUE, MISSING, UNKNOWN_NAME, UNUSED
from netc.solve.ranges import FINITE, FROM_0, Doubt, Range


@dataclass(frozen=True, slots=True)
class Policy:
    """A learning-rate policy: its formula for people, the fields it needs, the rate before warm-up, and further fields.

    rate: of the fields, the iteration, and how many plateaus there have been. ranges: which values its fields may have,
    where not those of `netc.solve.ranges`. check: reports what else may be wrong with its fields.
    """

    formula: str
    needs: tuple[str, ...]
    rate: Callable[[Any, int, int], float]
    also: tuple[str, ...] = ("base_lr",)
    ranges: Mapping[str, Range] = dataclasses.field(default_factory=dict, hash=False)
    check: Callable[[Record, Report], None] = lambda p, report: None

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that the rate depends on."""
        return *self.needs, *self.also


def steps_done(stepvalue: tuple[int, ...], iteration: int) -> int:
    """How many values of `stepvalue` an iteration has passed; as in Caffe at most one is passed per iteration."""
    done, at = 0, -1
    for value in stepvalue:
        at = max(at + 1, value)
        if iteration < at:
            break
        done += 1
    return done


def _inv(p: Any, i: int, _: int) -> float:
    return float(p.base_lr * (1 + p.gamma * i) ** -p.power)


def _poly(p: Any, i: int, _: int) -> float:
    return float(p.min_lr + (p.base_lr - p.min_lr) * max(0.0, 1 - i / max(p.max_iter, 1)) ** p.power)


def _sigmoid(p: Any, i: int, _: int) -> float:
    exponent = -p.gamma * (i - p.stepsize)
    return float(p.base_lr / (1 + math.exp(min(exponent, 700.0))))


def _multifixed(p: Any, i: int, _: int) -> float:
    stage = next((s for s, last in enumerate(p.stageiter) if i <= last), len(p.stageiter) - 1)
    return float(p.stagelr[stage])


def _cosine(p: Any, i: int, _: int) -> float:
    share = min(i / max(p.max_iter, 1), 1.0)
    return float(p.min_lr + (p.base_lr - p.min_lr) * (1 + math.cos(math.pi * share)) / 2)


def _check_steps(p: Record, report: Report) -> None:
    if not p.stepvalue:
        message = 'lr_policy "multistep" has no stepvalue: the rate stays base_lr'
        report.warning(MISSING, message, p.span_of("lr_policy"), help="add stepvalue: ITERATION for each step")
    if list(p.stepvalue) != sorted(p.stepvalue):
        message = "stepvalue does not grow from one to the next: a step that comes too late is taken at once"
        report.warning(BAD_VALUE, message, p.span_of("stepvalue"))


def _check_poly(p: Record, report: Report) -> None:
    if p.has("base_lr") and p.min_lr > p.base_lr:
        report.error(BAD_VALUE, "min_lr, where poly ends, is above base_lr", p.span_of("min_lr"))


def _check_stages(p: Record, report: Report) -> None:
    if len(p.stagelr) != len(p.stageiter):
        message = f"{len(p.stagelr)} stagelr for {len(p.stageiter)} stageiter: each stage has both"
        report.error(BAD_VALUE, message, p.span_of("stageiter"))


_FACTOR = {"gamma": Range(0, doubts=(Doubt(1.0000001, math.inf, "the rate grows with each step", "0.1 is usual"),))}


POLICIES: dict[str, Policy] = {
    "fixed": Policy("base_lr", (), lambda p, i, _: p.base_lr),
    "step": Policy(
        "base_lr gamma^floor(iter / stepsize)",
        ("gamma", "stepsize"),
        lambda p, i, _: p.base_lr * p.gamma ** (i // p.stepsize),
        ranges=_FACTOR,
    ),
    "exp": Policy("base_lr gamma^iter", ("gamma",), lambda p, i, _: p.base_lr * p.gamma**i, ranges=_FACTOR),
    "inv": Policy("base_lr (1 + gamma iter)^-power", ("gamma", "power"), _inv),
    "multistep": Policy(
        "base_lr gamma^(number of stepvalue passed)",
        ("gamma",),
        lambda p, i, _: p.base_lr * p.gamma ** steps_done(p.stepvalue, i),
        ("base_lr", "stepvalue"),
        ranges=_FACTOR,
        check=_check_steps,
    ),
    "poly": Policy(
        "min_lr + (base_lr - min_lr) (1 - iter / max_iter)^power",
        ("power", "max_iter"),
        _poly,
        ranges={"power": FROM_0},
        check=_check_poly,
    ),
    "plateau": Policy(
        "base_lr gamma^(how often the loss has not fallen for plateau_winsize iterations)",
        ("gamma", "plateau_winsize"),
        lambda p, i, plateaus: p.base_lr * p.gamma**plateaus,
        ranges=_FACTOR,
    ),
    "multifixed": Policy(
        "the stagelr of the first stageiter not passed",
        ("stagelr", "stageiter"),
        _multifixed,
        (),
        check=_check_stages,
    ),
    "sigmoid": Policy(  # which falls only with a gamma below 0
        "base_lr / (1 + exp(-gamma (iter - stepsize)))",
        ("gamma", "stepsize"),
        _sigmoid,
        ranges={"gamma": FINITE, "stepsize": FINITE},
    ),
    "cosine": Policy("min_lr + (base_lr - min_lr) (1 + cos(pi iter / max_iter)) / 2", ("max_iter",), _cosine),
}


def learning_rate(p: Any, iteration: int, plateaus: int = 0) -> float:
    """The rate of an iteration (counted from 0) by a SolverParameter that `check` has nothing against.

    plateaus: how many there have been so far, which only the policy plateau asks for.
    In the first `warmup_iter` iterations it grows linearly from `warmup_start_lr` to `base_lr`, as in Intel's Caffe; in
    the first `rampup_interval` ones as a square from `rampup_lr`, as in NVCaffe. But in a warm-up, at least `min_lr`.
    """
    try:
        return _rate(p, iteration, plateaus)
    except OverflowError:
        return math.inf  # as in single precision


def _rate(p: Any, iteration: int, plateaus: int) -> float:
    if iteration < p.rampup_interval:
        share = iteration / p.rampup_interval
        return float(max(p.rampup_lr + (p.base_lr - p.rampup_lr) * share * share, p.min_lr))
    if iteration < p.warmup_iter:
        return float(p.warmup_start_lr + (p.base_lr - p.warmup_start_lr) * iteration / p.warmup_iter)
    return float(max(POLICIES[p.lr_policy or "fixed"].rate(p, iteration, plateaus), p.min_lr))


def check(p: Record, report: Report) -> None:
    """Report what is wrong with the fields of the policy, but for their ranges (SOL010, SOL011, SOL017)."""
    name = p.lr_policy or "fixed"
    policy = POLICIES.get(name)
    if policy is None:
        close = suggest(name, POLICIES)
        help = f'did you mean "{close}"?' if close else f"the policies are {', '.join(POLICIES)}"
        report.error(UNKNOWN_NAME, f'there is no lr_policy "{name}"', p.span_of("lr_policy"), help=help)
        return
    if not p.has("base_lr") and ("base_lr" in policy.reads or p.warmup_iter):
        report.error(MISSING, "base_lr, the learning rate, is missing", p.span)
    for field in policy.needs:
        message = f'lr_policy "{name}" needs {field}: {policy.formula}'
        if not p.has(field) and field in ("gamma", "power"):
            report.warning(MISSING, f"{message}; without it, it is 0", p.span_of("lr_policy"))
        elif not p.has(field):
            report.error(MISSING, message, p.span_of("lr_policy"))
    policy.check(p, report)
    _check_unused(p, name, report)


def check_course(p: Record, report: Report) -> None:
    """Report, of fields that are right each for itself, rates that are none, and a warm-up without an end (SOL012)."""
    last = max(p.max_iter - 1, 0)
    for iteration in (0, last):
        if not math.isfinite(rate := learning_rate(p, iteration)):
            message = f"the learning rate of iteration {iteration:,} is {rate:g}"
            report.error(BAD_VALUE, message, p.span_of("lr_policy"), help="make gamma or power smaller")
            return
    for field in ("warmup_iter", "rampup_interval"):
        if p.has(field) and p.has("max_iter") and 0 < p.max_iter <= getattr(p, field):
            message = (
                f"{field}: {getattr(p, field):,}: training ends, at max_iter {p.max_iter:,}, before the warm-up does"
            )
            report.warning(BAD_VALUE, message, p.span_of(field))


def is_unused(field: str, policy: Policy) -> bool:
    """Whether only other policies read a field."""
    own = any(field in other.reads for other in POLICIES.values()) and field not in ("base_lr", "max_iter")
    return own and field not in policy.reads


def _check_unused(p: Record, name: str, report: Report) -> None:
    """Fields of other policies: they change nothing in Caffe either."""
    for field in sorted({field for policy in POLICIES.values() for field in policy.reads}):
        if p.has(field) and is_unused(field, POLICIES[name]):
            users = " and ".join(f'"{other}"' for other, policy in POLICIES.items() if field in policy.reads)
            message = f'lr_policy "{name}" does not use {field}: {users} do'
            report.warning(UNUSED, message, p.span_of(field))
