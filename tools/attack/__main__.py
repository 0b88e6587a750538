"""Run one campaign: `python -m tools.attack NAME [--count N] [--seed S]`. Exit code 1 if anything failed."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from pathlib import Path

import tools.attack
from tools.attack import SHOWN


def main() -> None:
    names = sorted(m.name for m in pkgutil.iter_modules(tools.attack.__path__) if not m.name.startswith("_"))
    parser = argparse.ArgumentParser(prog="python -m tools.attack", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("campaign", choices=names)
    parser.add_argument("--count", type=int, default=1000, help="how many inputs (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first (default 1)")
    parser.add_argument("--folder", type=Path, help="of the files that a campaign starts from (corpus)")
    given = parser.parse_args()
    options = {"folder": given.folder} if given.folder else {}
    start = time.perf_counter()
    tally = importlib.import_module(f"tools.attack.{given.campaign}").run(given.count, given.seed, **options)
    for text in tally.failures[:SHOWN]:
        print(text, end="\n\n")
    print(f"{given.campaign}, seed {given.seed}: {tally.line}; {time.perf_counter() - start:.0f} s")
    sys.exit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()
