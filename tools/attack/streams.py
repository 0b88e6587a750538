"""Commands whose streams are closed, full, of another encoding or read by nobody, on nets with hostile names.

Each input is a command (one of `COMMANDS`, on a net whose names hold escape sequences, markup and marks that turn the
direction of writing) with a condition of its streams (one of `CONDITIONS`). What must hold: no traceback and no hang;
the exit code that docs/reliability.md says; nothing on either stream that a terminal would act on.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import netc
from netc.data.images import encode_image
from tools.attack import Tally

SECONDS = 120
NETC = [sys.executable, "-c", "from netc.cli import main; main()"]
NAME = "a\\033]0;owned\\007[bold]\\342\\200\\256[/]\\303\\244"
NET = f"""
name: "{NAME}"
layer {{ name: "data" type: "Digits" top: "data" top: "label" digits_param {{ split: "train" batch_size: 16 }} }}
layer {{ name: "{NAME}" type: "InnerProduct" bottom: "data" top: "{NAME}"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "{NAME}" bottom: "label" top: "accuracy" include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "{NAME}" bottom: "label" top: "loss" }}
solver {{ base_lr: 0.1 max_iter: 2 random_seed: 3 snapshot_prefix: "run" test_iter: 1 test_interval: 2 }}
"""
BAD = f'layer {{ name: "{NAME}" type: "{NAME}" bottom: "{NAME}" top: "x" }}\n'

# By name: the arguments, the usual exit code, and whether something is asked for on stdout.
COMMANDS: dict[str, tuple[list[str], int, bool]] = {
    "version": (["--version"], 0, True),
    "help": (["train", "--help"], 0, True),
    "no such command": (["\033[31m"], 2, False),
    "check": (["check", "a.net"], 0, False),
    "check json": (["check", "a.net", "--json"], 0, True),
    "check bad": (["check", "bad.net"], 1, False),
    "missing": (["check", "\033]0;x\007.net"], 1, False),
    "summary": (["summary", "a.net"], 0, True),
    "summary json": (["summary", "a.net", "--json"], 0, True),
    "expand": (["expand", "a.net"], 0, True),
    "expand to": (["expand", "a.net", "-o", "expanded.prototxt"], 0, False),
    "fmt diff": (["fmt", "--diff", "a.net"], 0, True),
    "diff": (["diff", "a.net", "a.net"], 0, True),
    "draw": (["draw", "a.net"], 0, True),
    "deploy": (["deploy", "a.net"], 0, True),
    "explain": (["explain", "LAY002"], 0, True),
    "explain list": (["explain", "--list"], 0, True),
    "convert": (["convert", "a.net", "-", "--to", "prototxt"], 0, True),
    "data info": (["data", "info", "photos"], 0, True),
    "data check": (["data", "check", "photos"], 0, False),
    "data images": (["data", "images", "photos", "db"], 0, False),
    "train": (["train", "a.net"], 0, True),
    "train metrics": (["train", "a.net", "--metrics", "-", "--json"], 0, True),
    "time": (["time", "a.net", "--iterations", "1"], 0, True),
    "test": (["test", "a.net", "--weights", "w.caffemodel", "--iterations", "1"], 0, True),
}

# By name: a redirection for the shell, and which of stdout and stderr is lost.
CONDITIONS: dict[str, tuple[str, frozenset[str]]] = {
    "plain": ("", frozenset()),
    "ascii": ("", frozenset()),
    "stdin closed": ("<&-", frozenset()),
    "stdout closed": (">&-", frozenset({"out"})),
    "stderr closed": ("2>&-", frozenset({"err"})),
    "all closed": ("<&- >&- 2>&-", frozenset({"out", "err"})),
    "stdout full": (">/dev/full", frozenset({"out"})),
    "stderr full": ("2>/dev/full", frozenset({"err"})),
    "both full": (">/dev/full 2>&1", frozenset({"out", "err"})),
    "no reader": ("", frozenset({"out"})),
}
HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e]")
RAW = {"expand", "fmt diff", "deploy", "convert", "draw"}  # the text of a net, byte for byte


def prepare(folder: Path) -> None:
    """The files that the commands are given."""
    (folder / "a.net").write_text(NET)
    (folder / "bad.net").write_text(BAD)
    for name in ("cat", "\033[31mred", "b\udce9"):
        path = folder / "photos" / name / "1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_image(np.zeros((4, 4, 3), np.uint8), "png"))
    subprocess.run([*NETC, "train", "a.net"], cwd=folder, env=environment("plain"), capture_output=True, check=True)
    (folder / "run_iter_2.caffemodel").rename(folder / "w.caffemodel")


def environment(condition: str) -> dict[str, str]:
    found = {**os.environ, "PYTHONPATH": str(Path(netc.__file__).parent.parent), "NO_COLOR": "1"}
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    return {**found, **plain} if condition == "ascii" else {**found, "PYTHONIOENCODING": "utf-8"}


def expected(command: str, condition: str) -> int:
    """The exit code."""
    _, code, prints = COMMANDS[command]
    lost = "out" in CONDITIONS[condition][1]
    return 1 if lost and prints and code == 0 else code


def attack(folder: Path, command: str, condition: str) -> str:
    """Run one; what is wrong, or nothing."""
    line = f'exec "$@" {CONDITIONS[condition][0]}'
    arguments = ["sh", "-c", line, "sh", *NETC, *COMMANDS[command][0]]
    target = subprocess.PIPE
    if condition == "no reader":
        reader, target = os.pipe()
        os.close(reader)
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    env = environment(condition)
    process = subprocess.Popen(arguments, cwd=folder, env=env, stdin=null, stdout=target, stderr=pipe)
    if condition == "no reader":
        os.close(target)
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return "it hangs"
    said = ((out or b"") + (err or b"")).decode("utf-8", "surrogateescape")
    if "Traceback" in said or "Exception ignored" in said:
        return said
    if process.returncode != expected(command, condition):
        return f"exit code {process.returncode}, not {expected(command, condition)}\n{said}"
    shown = (b"" if command in RAW else out or b"") + (err or b"")
    if HOSTILE.search(shown.decode("utf-8", "surrogateescape")):
        return f"a terminal would act on {shown!r}"
    return ""


def run(count: int, seed: int) -> Tally:
    """All pairs of a command and a condition in a shuffled order, again from the start after the last."""
    tally, chance = Tally(), random.Random(seed)
    pairs = [(command, condition) for command in COMMANDS for condition in CONDITIONS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for number in range(count):
            if number % len(pairs) == 0:
                chance.shuffle(pairs)
            command, condition = pairs[number % len(pairs)]
            tally.add("runs")
            if problem := attack(folder, command, condition):
                tally.fail(f"netc {' '.join(COMMANDS[command][0])!r}, {condition}: {problem}")
    return tally
