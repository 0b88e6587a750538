"""Alternating runs of netc and its peers; prints a table in Markdown.

    python -m tools.bench [--threads 2] [--seconds 20] [--only NAME] [--no-peers] [--bf16]

--bf16: netc in float32 and with products of bfloat16 numbers, and PyTorch with such products (autocast, channels_last).
Contenders run in turns (`tools.bench.turns`); medians and the quartiles' spread over all turns are in milliseconds.
Peak memory is that of a process of its own that runs one contender alone, less what it has after its imports.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from netc.run import Net
from tools.bench import turns
from tools.bench.cases import CASES, Case, netc_call, open_net


def contenders(case: Case, peers: bool, bf16: bool) -> list[str]:
    peers = peers and not case.alone
    if bf16:
        return ["netc", "netc bf16", *(["torch channels_last bf16"] if peers else [])]
    if not peers:
        return ["netc"]
    layouts = ["torch nchw"] if case.words else ["torch nchw", "torch channels_last"]
    return ["netc", *layouts, *([] if case.train else ["onnxruntime"])]


def prepare(case: Case, threads: int, name: str) -> Callable[[], object]:
    """What a contender's process times."""
    if name.startswith("netc"):
        return netc_call(case, _open(case, threads, name))
    others: Any = import_module("tools.bench.peers")
    net = open_net(case, threads, "reference")
    call: Callable[[], object]
    if name == "onnxruntime":
        call = others.onnx_call(net, threads)
    else:
        call = others.torch_call(case, net, threads, name.removeprefix("torch "))
    return call


def _open(case: Case, threads: int, name: str) -> Net:
    return open_net(case, threads, precision=name.removeprefix("netc").strip() or None)


def measure(case: Case, threads: int, seconds: float, names: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds of single calls, by contender."""
    commands = {name: _command(case, threads, "--serve", name) for name in names}
    return turns.measure(commands, seconds)


def _command(case: Case, threads: int, mode: str, name: str) -> list[str]:
    return [sys.executable, "-m", "tools.bench", "--threads", str(threads), "--only", case.title, mode, name]


def peak_megabytes(case: Case, threads: int, name: str) -> float:
    """The peak of a process that runs this contender alone, beyond its imports."""
    done = subprocess.run(_command(case, threads, "--memory-of", name), capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def memory_of(case: Case, threads: int, name: str) -> float:
    if not name.startswith("netc"):
        peers: Any = import_module("tools.bench.peers")
        peers.torch.zeros(1)
    else:
        import_module("netc.run.fast")
    before = _peak_kilobytes()
    if name.startswith("netc"):
        call = netc_call(case, _open(case, threads, name))
    else:
        call = peers.torch_call(case, open_net(case, threads, "reference"), threads, "nchw")
    for _ in range(3):
        call()
    return (_peak_kilobytes() - before) / 1024


def _peak_kilobytes() -> int:
    """The most memory this process has had; where /proc has it, without what the parent had at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def row(case: Case, threads: int, seconds: float, names: Sequence[str], columns: int) -> str:
    found = measure(case, threads, seconds, names)
    ours, _ = turns.spread(found["netc"])
    cells = []
    for name, times in found.items():
        middle, half = turns.spread(times)
        cells.append(f"{middle:.1f} ± {half:.1f}" + ("" if name == "netc" else f" ({middle / ours:.2f}x)"))
    cells += ["–"] * (columns - len(cells))
    memory = [f"{peak_megabytes(case, threads, name):.0f}" for name in names[:2]]
    return f"| {case.title} | {' | '.join(cells)} | {' / '.join(memory)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--memory-of", default="", help=argparse.SUPPRESS)
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = [c for c in CASES if options.only in c.title]
    if options.serve:
        turns.serve(prepare(cases[0], options.threads, options.serve))
        return
    if options.memory_of:
        print(memory_of(cases[0], options.threads, options.memory_of))
        return
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads\n")
    heads = ["netc bf16", "torch bf16"] if options.bf16 else ["torch NCHW", "torch channels_last", "ONNX Runtime"]
    print(f"| net (batch) | netc, ms | {' | '.join(heads)} | peak MB, netc / {heads[0] if options.bf16 else 'torch'} |")
    print("|---" * (len(heads) + 3) + "|")
    for case in cases:
        names = contenders(case, not options.no_peers, options.bf16)
        print(row(case, options.threads, options.seconds, names, 1 + len(heads)), flush=True)


if __name__ == "__main__":
    main()
