"""The tables of tools/mutations.py, and the page docs/diagnostics/mutations.md that holds them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.mutation_judge import Judged, Nets
from tools.mutation_kinds import KINDS

LEAST_SPANS, LEAST_TYPOS = 0.95, 0.90
_COLUMNS = "seeded | exact span | nothing else said | what was meant is suggested |"
_RULE = "---:|---:|---:|---:|"


def good_enough(judged: Sequence[Judged]) -> bool:
    """Whether enough spans are exact and enough typos are found out."""
    typos = [each.named for each in judged if each.named is not None]
    spans = sum(each.exact for each in judged)
    return spans >= LEAST_SPANS * len(judged) and sum(map(bool, typos)) >= LEAST_TYPOS * len(typos)


def table(judged: Iterable[Judged]) -> list[str]:
    """The lines of a Markdown table by kind, with the total last."""
    rows: dict[str, list[Judged]] = {}
    for each in judged:
        rows.setdefault(each.kind, []).append(each)
    total = [each for group in rows.values() for each in group]
    head = [f"| mistake | {_COLUMNS}", f"|---|{_RULE}"]
    return [*head, *(_row(kind, group) for kind, group in rows.items()), _row("**all**", total)]


def _row(name: str, group: Sequence[Judged]) -> str:
    typos = [each.named for each in group if each.named is not None]
    suggested = _share(sum(map(bool, typos)), len(typos)) if typos else ""
    exact, only = sum(each.exact for each in group), sum(each.only for each in group)
    return f"| {name} | {len(group)} | {_share(exact, len(group))} | {_share(only, len(group))} | {suggested} |"


def _share(good: int, all: int) -> str:
    return f"{good} ({1000 * good // all / 10:.1f} %)"


def missed(each: Judged) -> str:
    """What was done, and what was said of it."""
    said = "\n".join(d.render() for d in each.errors[:4]) or "nothing"
    return f"--- {each.kind}: {each.place}: {each.mutant.what}\n{said}"


_PAGE = """<!-- measured: {commit} -->
# Seeded mistakes

How well do the diagnostics find what is wrong? Published nets in which nothing is wrong are damaged in one place, as
people do it, and the damaged text is checked as `netc check` does.

<!-- not run: it needs a folder of published nets; tests/tools/test_mutations.py runs parts of it -->
```sh
python -m tools.mutations DIR --seed {seed} --seeds {seeds} --write
```

made this page at commit {commit}. DIR is a folder of published nets, here {files} files of {repositories} repositories;
{sound} of those that were looked at are sound nets (the others are solvers, or lack the sizes of their data, or have
forks' layers or mistakes of their own). The seed chooses the net, the place and the slip. The diagnostics were
improved on other seeds than those of this page.

- *Exact span*: the first error that is shown covers exactly the characters of the mistake, no more and no less.
- *Nothing else said*: that error is the only one.
- *Suggested*: its help is "did you mean X?" with the original name and no other. A typo is two letters swapped, one
  left out, doubled, or the neighbour on the keyboard hit instead.

| mistake | where the diagnostic has to stand |
|---|---|
{places}

## {count} mistakes, seed {seed}

{first}

## All seeds

{all}

## What was missed

{missed}
"""


def head() -> str:
    """The commit that netc's files are at; nothing where they are not in a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def page(nets: Nets, runs: dict[int, list[Judged]]) -> str:
    """How the mistakes are made and judged, the table of the first seed, totals of all, and what was missed."""
    seed, first = next(iter(runs.items()))
    every = [each for judged in runs.values() for each in judged]
    totals = [*(_row(str(number), judged) for number, judged in runs.items()), _row("**all**", every)]
    return _PAGE.format(
        commit=head(),
        seed=seed,
        seeds=len(runs),
        count=len(first),
        files=len(nets.paths),
        repositories=len({path.relative_to(nets.folder).parts[0] for path in nets.paths}),
        sound=sum(net is not None for net in nets.known.values()),
        places="\n".join(f"| {kind} | {family.place} |" for kind, family in KINDS.items()),
        first="\n".join(table(first)),
        all="\n".join([f"| seed | {_COLUMNS}", f"|---:|{_RULE}", *totals]),
        missed="\n".join(_misses(every)),
    )


def _misses(every: Sequence[Judged]) -> list[str]:
    found = dict.fromkeys(f"- {each.path}: {each.mutant.what}; {_why(each)}." for each in every if not each.found)
    return list(found) or ["Nothing."]


def _why(each: Judged) -> str:
    if not each.errors:
        return "nothing was said"
    said = each.errors[0]
    if each.exact:
        return f"the help says: {said.help or 'nothing'}"
    line = "no line" if said.span is None else f"line {said.span.line}"
    return f"the error is in {line}: {said.message}"
