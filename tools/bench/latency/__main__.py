"""One image at a time: netc, OpenCV and ONNX Runtime in turns; prints a table in Markdown.

    python -m tools.bench.latency [--threads 1 2] [--seconds 5] [--only NAME] [--busy 1]

All read the same net and parameters from files. Medians and the quartiles' spread are milliseconds from the input's
array to the outputs' arrays; in brackets, how many times netc's time. The last line has the geometric means of these
over the nets above `with boxes`. busy: how many other processes keep a core busy meanwhile. processor-time: of each
process, where others use the machine, too (with one thread: those that wait by spinning take as much as those that
work). python: the interpreter of the peers, if their packages are not in this one's environment. files: where to keep
the files.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.bench import turns
from tools.bench.latency.cases import CASES, Case
from tools.bench.latency.files import write

PEERS = ("OpenCV", "ONNX Runtime")
Times = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.latency", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--files", type=Path)
    options = parser.parse_args()
    cases = [c for c in CASES if any(name in c.name for name in options.only)]
    peers = () if options.no_peers else PEERS
    with TemporaryDirectory() as temporary:
        folders = {case: (options.files or Path(temporary)) / case.name.replace(" ", "_") for case in cases}
        for case, folder in folders.items():
            write(case, folder)
        for threads in options.threads:
            print(f"\nThreads: {threads}, busy neighbours: {options.busy}\n")
            print(f"| net | netc, ms |{''.join(f' {name} |' for name in peers)}\n|---|---|{'---|' * len(peers)}")
            ratios: dict[str, list[float]] = {name: [] for name in peers}
            for case, folder in folders.items():
                clock = "process_time" if options.processor_time else "perf_counter"
                commands = _commands(case, peers, options.python, [str(folder), str(threads), clock])
                found = turns.measure(commands, options.seconds, options.busy)
                print(row(case, found, peers, ratios), flush=True)
            print(f"| geometric mean | |{''.join(f' {_mean(ratios[name])} |' for name in peers)}", flush=True)


def _commands(case: Case, peers: Iterable[str], python: str, arguments: list[str]) -> dict[str, list[str]]:
    """What starts each contender's process."""
    names = [name for name in peers if case.known_to_onnx or name != "ONNX Runtime"]
    pythons = {"netc": sys.executable} | dict.fromkeys(names, python)
    return {n: [python, "-m", "tools.bench.latency.contenders", n, *arguments] for n, python in pythons.items()}


def row(case: Case, found: Times, peers: Iterable[str], ratios: dict[str, list[float]]) -> str:
    """A line of the table; adds to the ratios."""
    ours, half = turns.spread(found["netc"])
    cells = [case.name, f"{ours:.2f} ± {half:.2f}"]
    for name in peers:
        if name not in found:
            cells.append("–")
            continue
        middle, half = turns.spread(found[name])
        cells.append(f"{middle:.2f} ± {half:.2f} ({middle / ours:.2f}x)")
        if case.judged:
            ratios[name].append(middle / ours)
    return f"| {' | '.join(cells)} |"


def _mean(ratios: list[float]) -> str:
    return f"{statistics.geometric_mean(ratios):.2f}x" if ratios else "–"


if __name__ == "__main__":
    main()
