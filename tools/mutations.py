"""Seeded mistakes in real nets, and how well netc's diagnostics find them: `python -m tools.mutations DIR [--seed N]`.

DIR holds net files. Those in which nothing is wrong are damaged in one place each time (tools/mutation_kinds.py), and
the damaged text is checked as `netc check` does. A mistake is found if a diagnostic has exactly its span; a typo is
found out if that diagnostic names what was meant. Exit code 1 below 95 % of spans or 90 % of typos.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netc.catalogue import catalogue
from netc.errors import Diagnostic
from netc.language import read_text
from netc.lsp.analysis import analyse
from tools.mutation_kinds import KINDS, Mutant, Net

SUFFIXES = (".prototxt", ".pt", ".net")
LEAST_SPANS, LEAST_TYPOS = 0.95, 0.90
MOST_TRIES = 400


@dataclass(frozen=True)
class Judged:
    """One mistake and what netc said: whether a diagnostic is at the right place, and names what was meant."""

    kind: str
    path: str
    mutant: Mutant
    diagnostics: tuple[Diagnostic, ...]
    exact: bool
    named: bool | None

    @property
    def only(self) -> bool:
        """Whether nothing else was said to be wrong."""
        return self.exact and sum(d.severity == "error" for d in self.diagnostics) == 1


class Nets:
    """The nets of a folder in which nothing is wrong, each looked at when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        self.known: dict[Path, Net | None] = {}
        self.types = catalogue()

    def get(self, path: Path) -> Net | None:
        if path not in self.known:
            analysis = analyse(read_text(path), str(path), self.types)
            sound = analysis.plans and not any(d.severity == "error" for d in analysis.diagnostics)
            self.known[path] = Net(str(path.relative_to(self.folder)), analysis) if sound else None
        return self.known[path]

    def judge(self, kind: str, net: Net, mutant: Mutant) -> Judged:
        found = analyse(mutant.text, str(self.folder / net.path), self.types).diagnostics
        here = [d for d in found if _stands_at(d, mutant)]
        named = None if mutant.meant is None else any(_names(d, mutant.meant) for d in here)
        return Judged(kind, net.path, mutant, found, bool(here), named)


def _stands_at(diagnostic: Diagnostic, mutant: Mutant) -> bool:
    span = diagnostic.span
    return diagnostic.severity == "error" and span is not None and (span.start, span.end) == (mutant.start, mutant.end)


def _names(diagnostic: Diagnostic, meant: str) -> bool:
    """Whether a diagnostic suggests exactly this name."""
    return re.search(rf"(?<![\w/.-]){re.escape(meant)}(?![\w/-])", diagnostic.help or "") is not None


def mistakes(nets: Nets, seed: int, count: int) -> Iterator[Judged]:
    """`count` mistakes, shared among the kinds in proportion; the same ones for the same folder and seed."""
    total = sum(share for _, share in KINDS.values())
    for kind, (make, share) in KINDS.items():
        rng = random.Random(f"{seed} {kind}")
        left, tries = max(1, round(count * share / total)), 0
        while left and tries < MOST_TRIES:
            tries += 1
            net = nets.get(rng.choice(nets.paths))
            mutant = make(net, rng) if net is not None else None
            if net is not None and mutant is not None:
                left -= 1
                yield nets.judge(kind, net, mutant)


def table(judged: Iterable[Judged]) -> list[str]:
    """The lines of a Markdown table by kind, with the total last."""
    rows: dict[str, list[Judged]] = {}
    for each in judged:
        rows.setdefault(each.kind, []).append(each)
    lines = [
        "| mistake | seeded | exact span | nothing else said | what was meant is suggested |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [_row(kind, group) for kind, group in rows.items()]
    return [*lines, _row("**all**", [each for group in rows.values() for each in group])]


def _row(kind: str, group: list[Judged]) -> str:
    typos = [each.named for each in group if each.named is not None]
    suggested = _share(sum(map(bool, typos)), len(typos)) if typos else ""
    exact, only = sum(each.exact for each in group), sum(each.only for each in group)
    return f"| {kind} | {len(group)} | {_share(exact, len(group))} | {_share(only, len(group))} | {suggested} |"


def _share(good: int, all: int) -> str:
    return f"{good} ({100 * good / all:.0f} %)"


def good_enough(judged: list[Judged]) -> bool:
    """Whether enough spans are exact and enough typos are found out."""
    typos = [each.named for each in judged if each.named is not None]
    spans = sum(each.exact for each in judged)
    return spans >= LEAST_SPANS * len(judged) and sum(map(bool, typos)) >= LEAST_TYPOS * len(typos)


def _missed(each: Judged) -> str:
    line = each.mutant.text.count("\n", 0, each.mutant.start) + 1
    errors = [d for d in each.diagnostics if d.severity == "error"]
    said = "\n".join(d.render() for d in errors[:4]) or "nothing"
    return f"--- {each.kind}: {each.path}:{line}: {each.mutant.what}\n{said}"


def main() -> int:
    """Print the table, and with --missed what was said of the mistakes that were not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--missed", action="store_true", help="show the mistakes that were not found")
    options = parser.parse_args()
    judged = list(mistakes(Nets(options.folder), options.seed, options.count))
    if options.missed:
        print("\n".join(_missed(each) for each in judged if not each.exact or each.named is False))
    print("\n".join(table(judged)))
    return 0 if good_enough(judged) else 1


if __name__ == "__main__":
    sys.exit(main())
