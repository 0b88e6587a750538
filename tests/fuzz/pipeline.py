"""`python -m tests.fuzz.pipeline FOLDER [--seconds 300] [--seed 1]`: damage real nets at random and check them.

What `netc check` does (reading, typing, graph, plan) must end in diagnostics or a plan: no other exception, no more
than ten million calls for a file of up to 100 kB, no more than 512 MB. Prints what it did; what it finds is
written to --keep. docs/diagnostics/robustness.md says how it was run last.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import traceback
from pathlib import Path

from netc.catalogue import catalogue
from netc.language import read_text
from netc.lsp.analysis import analyse
from tests.work import Calls
from tools.mutation_kinds import TOKEN

MOST_CALLS, MOST_MB, MOST_CHARACTERS = 10_000_000, 512, 100_000
_NUMBERS = "0 1 -1 2 3 7 16 255 1000000 2147483647 2147483648 4294967296 -2147483648 1e30 0.5 nan inf 1e-45"
NUMBERS = _NUMBERS.split()
WORDS = [
    "layer",
    "type",
    '"ReLU"',
    "bottom",
    "top",
    '"data"',
    "{",
    "}",
    "name",
    ":",
    "input_param",
    "shape",
    "dim",
    "num_output",
]
SUFFIXES = (".prototxt", ".pt", ".net")


def damaged(text: str, others: list[str], rng: random.Random) -> str:
    """A text with one to six of its tokens changed, moved, doubled, taken out, or taken from another net."""
    tokens = [(m.start(), m.end()) for m in TOKEN.finditer(text)]
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if not tokens:
            break
        start, end = rng.choice(tokens)
        text = text[:start] + _instead(text, text[start:end], tokens, others, rng) + text[end:]
        tokens = [(m.start(), m.end()) for m in TOKEN.finditer(text)]
    return text


def _instead(text: str, token: str, tokens: list[tuple[int, int]], others: list[str], rng: random.Random) -> str:
    kind = rng.randrange(6)
    if token[:1].isdigit() or token[:1] == "-":
        return rng.choice(NUMBERS) if kind else f"{token} {token}"
    if kind == 0:
        return ""
    if kind == 1:
        return f"{token} {token}"
    if kind == 2:
        return text[slice(*rng.choice(tokens))]
    if kind == 3:
        return rng.choice(others)
    if kind == 4:
        return rng.choice("{}[]<>:;,\"\\'=#$\x00\xff") + token
    at = rng.randrange(len(token) + 1)
    return token[:at] + rng.choice("aeiou_0 ") + token[at + 1 :]


def main() -> int:
    """Damage nets for some time; exit code 1 if something else than diagnostics came out of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where to write the files that are handled badly")
    options = parser.parse_args()
    rng, types = random.Random(options.seed), catalogue()
    found = [p for p in options.folder.rglob("*") if p.suffix in SUFFIXES and p.stat().st_size < MOST_CHARACTERS]
    texts = [read_text(path) for path in sorted(found)]
    words = sorted({m[0] for text in texts for m in TOKEN.finditer(text) if len(m[0]) < 40})
    done, bad, most, started = 0, 0, 0, time.monotonic()
    while time.monotonic() - started < options.seconds:
        text = damaged(rng.choice(texts), words, rng)
        why = None
        path = "damaged.prototxt" if rng.random() < 0.8 else "damaged.net"
        try:
            with Calls() as calls:
                for diagnostic in analyse(text, path, types).diagnostics:
                    diagnostic.render()
        except Exception:
            why = traceback.format_exc(limit=-3)
        most = max(most, calls.count)
        if calls.count > MOST_CALLS:
            why = f"{calls.count:,} calls"
        done += 1
        if why is not None:
            bad += 1
            print(f"--- {done}: {why}")
            if options.keep is not None:
                (options.keep / f"{options.seed}_{done}").write_text(text, errors="surrogateescape")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{done} files, {bad} handled badly, at most {most:,} calls, at most {memory:.0f} MB")
    return int(bad > 0 or memory > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
