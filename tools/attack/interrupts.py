"""Interrupts at random moments, each caught by the caller: whatever is computed afterwards has the bits of before.

By turns: passes of nets on two threads (inference and training, on both executors), training steps, one net in two
threads that share the weights by replicas, and (one in `COMPILED`) a process whose kernels are being compiled for the
first time. The interrupt is real: a timer's signal, whose handler raises KeyboardInterrupt.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import netc
from netc import run as running
from netc.errors import NetError
from tools.attack import Tally

ROOT = Path(__file__).parents[2]
COMPILED = 25
NET = """
name: "interrupted"
x = Input() { input_param { shape { dim: 4 dim: 3 dim: 12 dim: 12 } } }
label = Input() { input_param { shape { dim: 4 } } }
a = Convolution(x) { num_output: 20 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
a = BatchNorm(a) as norm
a = ReLU(a)
p = Pooling(a) { pool: MAX kernel_size: 2 stride: 2 }
b = Convolution(p) { num_output: 24 kernel_size: 3 pad: 1 group: 2 weight_filler { type: "msra" } }
b = Dropout(b)
c = Permute(b) { order: 0 order: 2 order: 3 order: 1 }
score = InnerProduct(c) { num_output: 5 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(score, label)
solver { base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 type: "SGD" max_iter: 1000 random_seed: 3
  snapshot_after_train: false }
"""


@dataclass
class Attacked:
    """Something to interrupt: `call` gives bytes that are the same each time; `seconds` is how long it takes."""

    name: str
    call: Callable[[], bytes]
    wanted: bytes = b""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.call()
        start = time.perf_counter()
        self.wanted = self.call()
        self.seconds = time.perf_counter() - start


def interrupted(call: Callable[[], object], delay: float) -> bool:
    """Whether an interrupt that comes after so many seconds hit the call. SIGALRM's handler must raise it."""
    try:
        signal.setitimer(signal.ITIMER_REAL, max(delay, 1e-6))
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False


def passes(net: running.Net, name: str) -> Attacked:
    """Forward, and backward where there is one."""
    drawn = np.random.default_rng(1)
    for blob, array in net.inputs.items():
        array[...] = drawn.integers(0, 5, array.shape) if blob == "label" else drawn.standard_normal(array.shape)

    def call() -> bytes:
        net.iteration = 0
        found = [array.tobytes() for array in net.forward().values()]
        if net.plan.backward_planned:
            net.zero_param_diffs()
            net.backward()
            found += [b.diff.tobytes() for b in net.learned if b.diff is not None]
        return b"".join(found)

    return Attacked(name, call)


def training(folder: Path, executor: str) -> Attacked:
    """Six iterations of a new solver, taken up again after an interrupt."""
    (folder / "net.net").write_text(NET)

    def call() -> bytes:
        solver = netc.Solver(folder / "net.net", executor=executor, threads=2, keep_gradients=executor != "fast")
        inputs = solver.net.inputs
        inputs["x"][...] = np.random.default_rng(1).standard_normal(inputs["x"].shape)
        again: list[BaseException] = []
        while solver.iteration < 6:
            try:
                solver.step(6 - solver.iteration)
            except KeyboardInterrupt as error:
                again.append(error)
        values = b"".join(b.data.tobytes() for b in solver.net.parameters.all)
        if again:  # the caller counts it, and the state is that of a run that was not interrupted
            Interrupted.result = values
            raise again[0]
        return values

    return Attacked(f"training, {executor}", call)


class Interrupted:
    """What a call that was interrupted, and went on by itself, gave all the same."""

    result: bytes | None = None


def run(count: int, seed: int) -> Tally:
    """Interrupt `count` times; a call that ended before its interrupt came is not counted."""
    tally, chance = Tally(), random.Random(seed)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory() as name:
            attacked = _attacked(Path(name))
            while tally.counts["interrupts"] < count:
                if tally.counts["interrupts"] % COMPILED == COMPILED - 1:
                    _while_compiling(tally, chance.uniform(0.3, 6), Path(name))
                else:
                    _one(tally, chance, chance.choice(attacked))
    finally:
        signal.signal(signal.SIGALRM, before)
    return tally


def _attacked(folder: Path) -> list[Attacked]:
    definition = netc.loads(NET)
    nets = {
        f"{phase}, {executor}": netc.Net(definition, phase, executor=executor, threads=2)
        for phase in ("TRAIN", "TEST")
        for executor in ("fast", "reference")
    }
    found = [passes(net, name) for name, net in nets.items()]
    found.append(passes(nets["TEST, fast"].replica(), "a replica"))
    return found + [training(folder, executor) for executor in ("fast", "reference")]


def _one(tally: Tally, chance: random.Random, one: Attacked) -> None:
    Interrupted.result = None
    delay = chance.uniform(0, one.seconds)
    if not interrupted(one.call, delay):
        return
    tally.add("interrupts")
    tally.add(f"in {one.name}")
    text = f"{one.name}, after {delay * 1e3:.3f} ms of {one.seconds * 1e3:.3f}"
    if Interrupted.result not in (None, one.wanted):
        tally.fail(f"{text}: what was interrupted ended otherwise")
    try:
        again = [one.call() for _ in range(2)]
    except NetError as error:
        tally.fail(f"{text}: {error}")
        return
    if again != [one.wanted] * 2:
        tally.fail(f"{text}: later results are others")


FRESH = """
import signal, sys
import netc
from tools.attack import interrupts
signal.signal(signal.SIGALRM, signal.default_int_handler)
net = netc.Net(netc.loads(interrupts.NET), "TEST", threads=2)
net.inputs["x"][...] = 0.5
def call():
    net.iteration = 0
    return [array.tobytes().hex() for array in net.forward().values()]
hit = interrupts.interrupted(call, float(sys.argv[1]))
print(hit, call() == call(), *call())
"""


def _while_compiling(tally: Tally, delay: float, folder: Path) -> None:
    """Interrupt a process that compiles its kernels; it and one that takes them from the cache say the same."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        env = {**os.environ, "NETC_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
        os.chmod(cache, 0o700)
        said = []
        for moment in (delay, 1e6):
            command = [sys.executable, "-c", FRESH, str(moment)]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=600)
            if done.returncode:
                tally.fail(f"interrupted after {moment:.3f} s while kernels compile: {done.stderr[-2000:]}")
                return
            said.append(done.stdout.split())
    tally.add("interrupts")
    tally.add("while kernels compile", said[0][0] == "True")
    if said[0][1:] != said[1][1:] or said[0][1] != "True":
        tally.fail(f"interrupted after {delay:.3f} s while kernels compile: {said}")
