"""Seeded mistakes in real nets, and how well netc's diagnostics find them: `python -m tools.mutations DIR [--seed N]`.

DIR holds net files. Those in which nothing is wrong are damaged in one place each time (tools/mutation_kinds.py), and
the damaged text is checked as `netc check` does (tools/mutation_judge.py). Exit code 1 if less than 95 % of the first
errors have exactly the span of the mistake, or less than 90 % of the typos are found out.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.mutation_judge import Judged, Nets
from tools.mutation_kinds import KINDS
from tools.mutation_page import good_enough, missed, page, table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "diagnostics" / "mutations.md"
MOST_TRIES = 400


def mistakes(nets: Nets, seed: int, count: int) -> Iterator[Judged]:
    """`count` mistakes, shared among the kinds in proportion; the same ones for the same folder and seed."""
    total = sum(family.share for family in KINDS.values())
    for kind, family in KINDS.items():
        rng = random.Random(f"{seed} {kind}")
        left, tries = max(1, round(count * family.share / total)), 0
        while left and tries < MOST_TRIES:
            tries += 1
            net = nets.get(rng.choice(nets.paths))
            mutant = family.make(net, rng) if net is not None else None
            if net is not None and mutant is not None:
                left -= 1
                yield nets.judge(kind, net, mutant)


def main() -> int:
    """Print a table for each seed, and what was said of the mistakes that were not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--count", type=int, default=300, help="mistakes for each seed")
    parser.add_argument("--missed", action="store_true", help="show the mistakes that were not found")
    parser.add_argument("--cascades", action="store_true", help="show those of which more than one thing was said")
    parser.add_argument("--write", action="store_true", help="write docs/diagnostics/mutations.md")
    options = parser.parse_args()
    nets = Nets(options.folder)
    runs: dict[int, list[Judged]] = {}
    for seed in range(options.seed, options.seed + options.seeds):
        runs[seed] = judged = list(mistakes(nets, seed, options.count))
        print(f"seed {seed}", *table(judged), sep="\n", flush=True)
        for each in judged:
            if (options.missed and not each.found) or (options.cascades and each.exact and not each.only):
                print(missed(each))
    if options.write:
        PAGE.write_text(page(nets, runs), encoding="utf-8")
    return 0 if all(good_enough(judged) for judged in runs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
