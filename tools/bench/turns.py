"""Contenders in turns: each lives in a process of its own, so that no one's threads spin in another's turn.

A turn is at least 0.2 s of calls, of which the first does not count.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

TURN = 0.2
REST = 0.1  # between turns: threads that wait by spinning come to rest
LEAST = 5  # calls of each contender


def serve(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> None:
    """A contender's process: for each line on standard input one turn, its milliseconds as a line of JSON."""
    call()
    call()
    print("[]", flush=True)
    for _ in sys.stdin:
        call()
        times: list[float] = []
        stop = time.perf_counter() + TURN
        while not times or time.perf_counter() < stop:
            start = clock()
            call()
            times.append(1e3 * (clock() - start))
        print(json.dumps(times), flush=True)


def measure(commands: Mapping[str, Sequence[str]], seconds: float, busy: int = 0) -> dict[str, list[float]]:
    """Milliseconds of single calls, by contender. commands: what starts each; busy: neighbours, a core for each."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        processes: dict[str, subprocess.Popen[str]] = {}
        for name, command in commands.items():  # one after the other: each compiles or tunes itself alone
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            processes[name] = stack.enter_context(process)
            found[name] = _answer(process)
        stack.enter_context(neighbours(busy))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or min(map(len, found.values())) < LEAST:
            for name, process in processes.items():
                time.sleep(REST)
                assert process.stdin is not None
                process.stdin.write("turn\n")
                process.stdin.flush()
                found[name] += _answer(process)
    return found


def _answer(process: subprocess.Popen[str]) -> list[float]:
    assert process.stdout is not None
    return [float(x) for x in json.loads(process.stdout.readline())]


@contextmanager
def neighbours(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that do nothing but count."""
    parent = os.getpid()
    loop = f"import os\nwhile os.getppid() == {parent}:\n    sum(range(1 << 20))"
    started = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def spread(times: Sequence[float]) -> tuple[float, float]:
    """The median, and half of what lies between the quartiles."""
    low, middle, high = statistics.quantiles(times, n=4)
    return middle, (high - low) / 2
