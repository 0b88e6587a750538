"""Train nets on 1, 2, 3 and 4 ranks, with several update rules: all snapshots are equal to the byte.

Of each net and rule, a run in one process with `iter_size: 12` goes through first; `mpiexec` then starts the same on R
ranks with `iter_size: 12 / R`. Images and sequences are made up, but for LeNet's where `--folder` has MNIST's test set
(`t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz`). Needs mpi4py and an mpiexec; Linux only.
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from netc.layer import Array
from tools.attack import Tally
from tools.attack._launched import missing, said, start

ROOT = Path(__file__).parents[2]
BATCHES = 12  # of an iteration, of all ranks together
SIZES = (2, 3, 4)
RULES = {
    "SGD": 'type: "SGD" base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005',
    "Adam": 'type: "Adam" base_lr: 0.001',
    "AdaGrad": 'type: "AdaGrad" base_lr: 0.01',
}
SOLVER = """
solver { RULE lr_policy: "fixed" max_iter: LAST snapshot: HALF iter_size: SIZE random_seed: SEED snapshot_prefix: "net"
         display: 0 }
"""
BLOCK = ROOT / "nets/blocks/resnet.net"
SMALL = ("kernel_size: 7 stride: 1 pool: AVE", "global_pooling: true pool: AVE")  # for images of any size
RESNET = """
import "resnet.net"
h = resnet(data) { units: [2, 2, 2, 2] deep: false }
h as score = InnerProduct(h) { num_output: 10 weight_filler { type: "msra" } }
loss = SoftmaxWithLoss(h, label)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A net without its data, and what a batch is: tops, their shapes, the first axis of which the file goes along."""

    name: str
    text: str
    batch: int
    shapes: Mapping[str, tuple[int, ...]]
    classes: int
    shuffle: bool = True

    def data(self, batches: int, chance: np.random.Generator, folder: Path | None) -> dict[str, Array]:
        """Values for so many batches; MNIST's from the folder for LeNet."""
        rows = batches * self.batch
        found: dict[str, Array] = {}
        for top, shape in self.shapes.items():
            if top == "cont":  # each batch begins its sequences anew
                found[top] = (np.arange(rows) % self.batch > 0).astype(np.float32)[:, None].repeat(shape[0], 1)
            elif top in ("x", "label"):
                found[top] = chance.integers(0, self.classes, (rows, *shape)).astype(np.float32)
            else:
                found[top] = chance.standard_normal((rows, *shape)).astype(np.float32)
        if self.name == "LeNet" and folder is not None:
            found = {"data": _idx(folder, "images-idx3", 16) / np.float32(256), "label": _idx(folder, "labels-idx1", 8)}
            found["data"] = found["data"].reshape(-1, 1, 28, 28)
        return found

    def net(self, list_of_files: Path) -> str:
        """With its data."""
        tops = ", ".join(self.shapes)
        shuffle = "shuffle: true" if self.shuffle else ""
        source = f'{tops} = HDF5Data() {{ source: "{list_of_files}" batch_size: {self.batch} {shuffle} }}'
        return f"{source}\n{self.text}"


def _bench(name: str) -> str:
    """A net of the benchmark without its inputs."""
    text = (ROOT / f"tools/bench/nets/{name}.prototxt").read_text()
    return re.sub(r'layer \{\s*name: "\w+"\s*type: "Input".*?\n(?=layer)', "", text, flags=re.S)


def _idx(folder: Path, name: str, head: int) -> Array:
    return np.frombuffer(
        gzip.decompress((folder / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8, offset=head
    ).astype(np.float32)


def cases() -> list[Case]:
    """The nets."""
    words = {"x": (32,), "cont": (32,), "label": (32,)}
    return [
        Case("LeNet", _bench("lenet"), 64, {"data": (1, 28, 28), "label": ()}, 10),
        Case("cifar10_quick", _bench("cifar10_quick"), 100, {"data": (3, 32, 32), "label": ()}, 10),
        Case("ResNet-18", RESNET, 8, {"data": (3, 32, 32), "label": ()}, 10),
        Case("LSTM", _bench("lstm"), 64, words, 96, shuffle=False),
    ]


def run(count: int, seed: int, folder: Path | None = None, iterations: int = 50) -> Tally:
    """Compare `count` launches with a run in one process: of the nets in turn, with each rule, on 2, 3 and 4 ranks."""
    tally = Tally()
    if why := missing():
        tally.fail(why)
        return tally
    launches = [(case, rule, size) for case in cases() for rule in RULES for size in SIZES][:count]
    for case, rule in dict.fromkeys((case.name, rule) for case, rule, _ in launches):
        sizes = [size for of, with_rule, size in launches if (of.name, with_rule) == (case, rule)]
        with tempfile.TemporaryDirectory() as name:
            one = next(c for c in cases() if c.name == case)
            _compare(tally, one, rule, sizes, Path(name), seed, iterations, folder)
    return tally


def _compare(
    tally: Tally, case: Case, rule: str, sizes: list[int], base: Path, seed: int, last: int, folder: Path | None
) -> None:
    with h5py.File(base / "data.h5", "w") as file:
        for top, values in case.data(5 if case.shuffle else 17, np.random.default_rng(seed), folder).items():
            file[top] = values
    (base / "list").write_text(f"{base}/data.h5\n")
    wanted: dict[str, bytes] = {}
    for size in (1, *sizes):
        where = base / str(size)
        where.mkdir()
        (where / "resnet.net").write_text(BLOCK.read_text().replace(*SMALL))  # a net imports what lies beside it
        fields = {"RULE": RULES[rule], "LAST": last, "HALF": last // 2, "SIZE": BATCHES // size, "SEED": seed}
        solver = SOLVER
        for word, value in fields.items():
            solver = solver.replace(word, str(value))
        code = start(where, size, case.net(base / "list") + solver).wait()
        found = {path.name: path.read_bytes() for path in where.glob("net_iter_*")}
        what = f"{case.name}, {rule}, {size} ranks"
        wanted = wanted or found
        if code or len(found) != 4:
            tally.fail(f"{what}: ended with {code}, {len(found)} files\n{said(where)[-2000:]}")
        elif found != wanted:
            tally.fail(f"{what}: {[name for name in wanted if found[name] != wanted[name]]} differ")
        tally.add("snapshot files compared", len(found) if size > 1 else 0)
        tally.add("launches", size > 1)
