"""The golden solver runs: their nets, their data, and a solver that sees one batch after the other."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from netc.layer import Array
from netc.run import Net
from netc.solve import Events, Solver, Step
from tests.run.common import make, solver_record

GOLDEN = Path(__file__).parent.parent / "golden"


@cache
def numbers(name: str) -> dict[str, Array]:
    with np.load(GOLDEN / "solvers" / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}


def texts(name: str) -> tuple[str, str]:
    meta = json.loads(str(numbers(name)["meta"]))
    return meta["solver"], meta["net"]


class Batches(Events):
    """Sets the inputs for the next iteration, before the first one and after each."""

    def __init__(self, name: str) -> None:
        self.data = numbers(name)
        self.losses: list[float] = []
        self.params: dict[int, dict[str, Array]] = {}
        self.solver: Solver

    def feed(self, iteration: int) -> None:
        if iteration < len(self.data["x"]):
            self.solver.net.set_input("data", self.data["x"][iteration])
            self.solver.net.set_input("label", self.data["y"][iteration])

    def stepped(self, step: Step) -> None:
        self.losses.append(step.loss)
        blobs = self.solver.net.params.items()
        self.params[step.iteration] = {f"{n}/{i}": b.copy() for n, bs in blobs for i, b in enumerate(bs)}
        self.feed(step.iteration)


def solver_for(name: str, extra: str = "", **options: Any) -> tuple[Solver, Batches]:
    solver_text, net_text = texts(name)
    events = Batches(name)
    net = make(net_text)
    start = numbers(name)
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            blob[...] = start[f"init/{layer}/{i}"]
    record = solver_record(f"{solver_text} snapshot_after_train: false {extra}")
    events.solver = Solver(record, net, events=events, **options)
    events.feed(0)
    return events.solver, events


class Counter:
    """A source that can be placed: batch n holds the numbers of generator n."""

    def __init__(self) -> None:
        self.batch = 0

    def next(self, out: Sequence[Array]) -> None:
        random = np.random.default_rng(self.batch)
        out[0][...] = random.standard_normal(out[0].shape)
        out[1][...] = random.integers(0, 3, out[1].shape)
        self.batch += 1

    def state(self) -> dict[str, Any]:
        return {"batch": self.batch}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.batch = state["batch"]


def bits(net: Net) -> bytes:
    return b"".join(p.data.tobytes() for p in net.parameters.all)
