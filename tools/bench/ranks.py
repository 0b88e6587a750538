"""How long a training step takes on several ranks of this machine, or of whatever launcher starts this.

    mpiexec -n 2 python -m tools.bench.ranks CaffeNet GoogLeNet ResNet-50 --threads 1
    python -m tools.bench.ranks CaffeNet GoogLeNet ResNet-50 --threads 2

Each rank has the batch of the case. A line for each net: the median of a step in milliseconds, from which to which step
the middle half of them is, and images a second of all ranks.
"""

from __future__ import annotations

import argparse
import statistics
import time

from netc import language
from netc.api.definition import typed_solver
from netc.catalogue import catalogue
from netc.solve import Events, Solver, Step
from netc.solve.ranks import Ranks, ranks_of_launcher
from tools.bench.cases import CASES, SOLVER, Case, open_net

WARM = 2  # steps that do not count


class Clock(Events):
    """When each step has ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def stepped(self, step: Step) -> None:
        self.times.append(time.perf_counter())


def measured(case: Case, ranks: Ranks, threads: int, steps: int) -> list[float]:
    """Seconds of each step."""
    record, _ = typed_solver(language.parse(SOLVER, "solver.prototxt"), catalogue())
    clock = Clock()
    solver = Solver(record, open_net(case, threads), events=clock, keep_gradients=False, ranks=ranks)
    solver.step(WARM + steps)
    return [b - a for a, b in zip(clock.times[WARM - 1 :], clock.times[WARM:], strict=False)]


def main() -> None:
    cases = {case.name: case for case in CASES if case.train}
    parser = argparse.ArgumentParser(prog="python -m tools.bench.ranks")
    parser.add_argument("names", nargs="+", choices=list(cases))
    parser.add_argument("--threads", type=int, default=1, help="of each rank (default 1)")
    parser.add_argument("--steps", type=int, default=10, help="that are measured (default 10)")
    parser.add_argument("--overlap", choices=("auto", "on", "off"), default="auto", help="as of netc train")
    given = parser.parse_args()
    ranks = ranks_of_launcher(60, given.overlap)
    for name in given.names:
        times = measured(cases[name], ranks, given.threads, given.steps)
        first, middle, last = statistics.quantiles(times, n=4)
        images = ranks.size * cases[name].batch / middle
        if ranks.rank == 0:
            said = f"{1e3 * middle:8.1f} ms ({1e3 * first:.1f}-{1e3 * last:.1f}) {images:8.1f} images/s"
            print(f"{name:14} {ranks.size} x {given.threads} threads {said}", flush=True)
    ranks.close()


if __name__ == "__main__":
    main()
