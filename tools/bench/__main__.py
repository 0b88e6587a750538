"""Alternating runs of netc and its peers; prints a table in Markdown.

    python -m tools.bench [--threads 2] [--seconds 20] [--only NAME] [--no-peers]

Each contender runs in turns of at least 0.2 s, the first call of a turn not counted; medians and the quartiles' spread
over all turns are in milliseconds. Peak memory is that of a process of its own that runs one contender alone, less what
it has after its imports.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tools.bench.cases import CASES, Case, netc_call, open_net

TURN = 0.2


def contenders(case: Case, threads: int, peers: bool) -> dict[str, Callable[[], object]]:
    net = open_net(case, threads)
    calls: dict[str, Callable[[], object]] = {"netc": netc_call(case, net)}
    if peers:
        others: Any = import_module("tools.bench.peers")
        calls |= others.torch_calls(case, net, threads)
        if not case.train:
            calls["onnxruntime"] = others.onnx_call(net, threads)
    return calls


def measure(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Milliseconds of single calls, by contender, in alternating turns."""
    for call in calls.values():
        call()
        call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, found.values())) < 5:
        for name, call in calls.items():
            call()
            stop = time.perf_counter() + TURN
            while True:
                start = time.perf_counter()
                call()
                now = time.perf_counter()
                found[name].append(1e3 * (now - start))
                if now > stop:
                    break
    return found


def peak_megabytes(case: Case, threads: int, name: str) -> float:
    """The peak of a process that runs this contender alone, beyond its imports."""
    arguments = ["--threads", str(threads), "--memory-of", name, "--only", case.title]
    done = subprocess.run([sys.executable, "-m", "tools.bench", *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def memory_of(case: Case, threads: int, name: str) -> float:
    if name != "netc":
        peers: Any = import_module("tools.bench.peers")
        peers.torch.zeros(1)
    else:
        import_module("netc.run.fast")
    before = _peak_kilobytes()
    if name == "netc":
        call = netc_call(case, open_net(case, threads))
    else:
        call = peers.torch_calls(case, open_net(case, threads, "reference"), threads)["torch nchw"]
    for _ in range(3):
        call()
    return (_peak_kilobytes() - before) / 1024


def _peak_kilobytes() -> int:
    """The most memory this process has had; where /proc has it, without what the parent had at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def row(case: Case, threads: int, seconds: float, peers: bool) -> str:
    found = measure(contenders(case, threads, peers), seconds)
    ours = statistics.median(found["netc"])
    cells = []
    for name, times in found.items():
        middle = statistics.median(times)
        low, _, high = statistics.quantiles(times, n=4)
        spread = f"{middle:.1f} ± {(high - low) / 2:.1f}"
        cells.append(spread if name == "netc" else f"{spread} ({middle / ours:.2f}x)")
    cells += ["–"] * (4 - len(cells))
    memory = [f"{peak_megabytes(case, threads, name):.0f}" for name in (("netc", "torch") if peers else ("netc",))]
    return f"| {case.title} | {' | '.join(cells)} | {' / '.join(memory)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--memory-of", default="")
    options = parser.parse_args()
    cases = [c for c in CASES if options.only in c.title]
    if options.memory_of:
        print(memory_of(cases[0], options.threads, options.memory_of))
        return
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads\n")
    print("| net (batch) | netc, ms | torch NCHW | torch channels_last | ONNX Runtime | peak MB, netc / torch |")
    print("|---|---|---|---|---|---|")
    for case in cases:
        print(row(case, options.threads, options.seconds, not options.no_peers), flush=True)


if __name__ == "__main__":
    main()
