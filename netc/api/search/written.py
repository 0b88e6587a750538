"""What the search block says: names, the values that they may take, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from netc import language
from netc.api.definition import is_solver, typed
from netc.api.jobs import solver_job
from netc.api.search.codes import BAD_SEARCH
from netc.api.search.names import RANGES
from netc.api.settings import Settings
from netc.catalogue import Catalogue
from netc.errors import Diagnostic, NetError, Note, Report, suggest
from netc.language.settings import with_settings
from netc.language.tree import Scalar
from netc.schema.record import Record


@dataclass(frozen=True)
class Variable:
    """A name and what it may be: one of `among`, or between two ends (on a scale of logarithms; whole numbers)."""

    record: Record
    name: str
    among: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def setting(self, text: str) -> language.Setting:
        """That the name is this value; diagnostics on it point into the search block."""
        made = language.setting(f"{self.name}={text}")
        at, span = self.record.span_of("name") or made.name_span, self.record.span or made.span
        value = replace(made.value, span=span) if isinstance(made.value, Scalar) else made.value
        return replace(made, value=value, name_span=at, span=span)

    def text(self, number: float) -> str:
        """A number of the range as it is written: six digits, and never beyond an end."""
        inside = min(max(number, self.low), self.high)
        if self.whole:
            return str(round(inside))
        return repr(min(max(float(f"{inside:.6g}"), self.low), self.high))

    @property
    def some(self) -> str:
        """One of its values."""
        return self.among[0] if self.among else self.text(self.low)


def variables_of(p: Record) -> tuple[Variable, ...]:
    """The names of a search block without mistakes."""
    return tuple(map(_variable, p.vary))


def _variable(vary: Record) -> Variable:
    if vary.among:
        return Variable(vary, vary.name, among=vary.among)
    low, high = vary.log or vary.between
    return Variable(vary, vary.name, low=low, high=high, log=bool(vary.log), whole=vary.whole)


def settings_of(variables: Iterable[Variable], texts: Mapping[str, str]) -> Settings:
    """The settings that a trial is trained with."""
    return tuple(variable.setting(texts[variable.name]) for variable in variables)


def blocks(net: Record, solver: Record | None) -> list[Record]:
    """The search blocks of a net and of the solver that trains it: none, one, or one too many."""
    return [record.search for record in (net, solver) if record is not None and record.has("search")]


# ---------------------------------------------------------------- what is wrong


def twice(found: Sequence[Record]) -> Iterator[Diagnostic]:
    """That two blocks say what is searched (SOL051). found: all that there are."""
    for other in found[1:]:
        notes = (Note("the other one is here", found[0].span),)
        yield Diagnostic(BAD_SEARCH, "the net and its solver both have a search block", other.span, notes)


def problems(p: Record) -> Iterator[Diagnostic]:
    """What of the block makes no sense (SOL051)."""
    if not p.vary:
        yield Diagnostic(BAD_SEARCH, "nothing varies", p.span, help="name what varies: `width: [32, 64, 128]`")
    if not p.best:
        help = 'name an output of the tests: `best: "accuracy"`'
        yield Diagnostic(BAD_SEARCH, "`best` is missing", p.span, help=help)
    if p.has("trials") and not p.trials:
        yield Diagnostic(BAD_SEARCH, "trials: 0: there must be at least one", p.span_of("trials"))
    times = Counter(vary.name for vary in p.vary)
    for vary in p.vary:
        wrong = _problem(vary) or (times[vary.name] > 1 and f"`{vary.name}` varies {times[vary.name]} times")
        if wrong:
            yield Diagnostic(BAD_SEARCH, wrong, vary.span_of("name") or vary.span)
        elif p.method == "GRID" and not vary.among:
            help = f"write its values: `{vary.name}: [a, b, c]`"
            said = f"GRID goes through lists of values; `{vary.name}` is a range"
            yield Diagnostic(BAD_SEARCH, said, vary.span_of("name"), help=help)


def _problem(vary: Record) -> str:
    """What is wrong with one name's values, or ""."""
    given = [kind for kind in RANGES if vary.has(kind)]
    if not vary.name:
        return "`vary` has no name"
    if not all(vary.name.split(".")):
        return f"`{vary.name}` is no name"
    if len(given) != 1:
        return f"`{vary.name}` has {' and '.join(given) or 'no values'}; it needs a list, between(a, b) or log(a, b)"
    if given == ["among"]:
        return "" if all(text.strip() for text in vary.among) else f"a value of `{vary.name}` is empty"
    ends = getattr(vary, given[0])
    if len(ends) != 2:
        return f"`{vary.name}`: {given[0]} has two ends, not {len(ends)}"
    if not ends[0] < ends[1]:
        return f"`{vary.name}`: {ends[0]:g} is not below {ends[1]:g}"
    if vary.log and ends[0] <= 0:
        return f"`{vary.name}`: on a logarithmic scale both ends are above 0, not {ends[0]:g}"
    return ""


def unknown(
    document: language.Document, path: Path, types: Catalogue, p: Record, warnings: Iterable[Diagnostic]
) -> Iterable[Diagnostic]:
    """Names that a net's or a solver's file does not have (SYN051), and values that a field does not take.

    document: the file as it was parsed. p: the search block. warnings: what is said of the file as it is.
    """
    if not p.vary or any(problems(p)):
        return ()
    report = Report()
    given = tuple(variable.setting(variable.some) for variable in variables_of(p))
    changed = with_settings(replace(document, settings=()), (*document.settings, *given))
    if is_solver(document):
        try:
            report.diagnostics += solver_job(changed, path, types).warnings
        except NetError as error:
            report.diagnostics += error.diagnostics
    else:
        typed(changed, path, types, report)
    known = {(d.code.id, d.message) for d in warnings}
    return [d for d in report.diagnostics if (d.code.id, d.message) not in known]


def untested(p: Record, outputs: Sequence[Sequence[str]]) -> Iterator[Diagnostic]:
    """That what is to be best is no output of a test net (SOL051). outputs: their names, for each test net."""
    known = sorted({name for names in outputs for name in names})
    if p.best and p.best not in known:
        close = suggest(p.best, known)
        help = f"did you mean `{close}`?" if close else None
        have = ", ".join(known) or "none: the solver says no test_iter"
        message = f'"{p.best}" is no output of the tests; there are {have}'
        yield Diagnostic(BAD_SEARCH, message, p.span_of("best"), help=help)
