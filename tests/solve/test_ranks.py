"""Several ranks give the bits of one process that has all their batches; here ranks are threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import netc
from netc.cli import _ranks
from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.solve import Events, Step, parts, snapshots, update
from netc.solve.codes import NOT_WRITTEN
from netc.solve.events import TestResult as Outcome
from netc.solve.parts import Chunk, buckets_of, divided
from netc.solve.ranks import ALONE, Ranks, ranks_of_launcher
from netc.solve.ranks.cores import has_core_left, usable_cores
from netc.solve.ranks.launcher import size_of_launch
from netc.solve.ranks.pulse import Pulse
from tests.solve.rank_threads import together

NET = """
def block(x; id, width) -> y {
  y as "/conv${id}" = Convolution(x) { num_output: width kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
  y = BatchNorm(y) { moving_average_fraction: 0.9 }
  y = Scale(y) { bias_term: true }
  y = ReLU(y)
  y = Pooling(y) { pool: MAX kernel_size: 2 stride: 2 }
}
train { data, label = Digits() { split: "train" batch_size: 8 shuffle: true } }
test { data, label = Digits() { split: "test" batch_size: 20 } }
h = block(data) { id: 1 width: 6 }
h as ip1 = InnerProduct(h) { num_output: 16 weight_filler { type: "msra" } }
h = ReLU(h)
h = Dropout(h) { dropout_ratio: 0.3 }
h as ip2 = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(h, label) }
loss = SoftmaxWithLoss(h, label)
solver { base_lr: 0.05 lr_policy: "fixed" max_iter: 4 test_iter: 5 test_interval: 3 average_loss: 3 random_seed: 5
         snapshot: 2 snapshot_prefix: "net" display: 1 SETTINGS }
"""
Enter = Callable[[str], Path]


class Log(Events):
    """What a rank hears."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float, dict[str, Array]]] = []
        self.tests: list[Outcome] = []
        self.sizes: list[Any] = []
        self.warnings: list[str] = []

    def stepped(self, step: Step) -> None:
        self.steps.append((step.loss, step.rate, dict(step.outputs)))

    def tested(self, result: Outcome) -> None:
        self.tests.append(result)

    def sized(self, sizes: Any) -> None:
        self.sizes.append(list(sizes))

    def warned(self, diagnostic: Any) -> None:
        self.warnings.append(diagnostic.code.id)


def train(
    folder: Path, settings: str, ranks: Ranks = ALONE, resume: str = "", net: str = NET, **options: Any
) -> tuple[netc.Solver, Log]:
    """Train from the start, or from this snapshot."""
    path, log = folder / f"net{ranks.rank}.net", Log()
    path.write_text(net.replace("SETTINGS", settings))
    solver = netc.Solver(path, events=log, ranks=ranks, **{"threads": 1, "keep_gradients": False, **options})
    if resume:
        solver.restore(resume)
    solver.solve()
    return solver, log


def files(folder: Path) -> dict[str, bytes]:
    """The snapshots in a folder."""
    found = {path.name: path.read_bytes() for path in folder.glob("net_iter_*")}
    assert found
    return found


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a folder and go there: snapshots name their own place."""

    def made(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        return folder

    return made


def same(a: Log, b: Log) -> None:
    """What two runs have told is the same to the bit."""
    assert len(a.steps) == len(b.steps) > 0
    for (*numbers, outputs), (*others, theirs) in zip(a.steps, b.steps, strict=True):
        assert numbers == others
        assert outputs.keys() == theirs.keys()
        assert all(np.array_equal(outputs[name], theirs[name]) for name in outputs)
    assert [(r.iteration, r.loss) for r in a.tests] == [(r.iteration, r.loss) for r in b.tests]
    for mine, yours in zip(a.tests, b.tests, strict=True):
        assert mine.outputs.keys() == yours.outputs.keys()
        assert all(np.array_equal(mine.outputs[name], yours.outputs[name]) for name in mine.outputs)
    assert a.sizes == b.sizes


TURNS = 'type: "SGD" turn { learn: "*ip*" steps: 2 } turn { learn: "*conv*" } snapshot_format: HDF5'
RULES = ['type: "SGD" momentum: 0.9 weight_decay: 0.01 clip_gradients: 0.5', 'type: "Adam"', 'type: "AdaGrad"', TURNS]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("executor", ["fast", "reference"])
def test_ranks_give_the_bits_of_one_process(enter: Enter, rule: str, executor: str) -> None:
    alone = enter("alone")
    _, log = train(alone, f"{rule} iter_size: 4", executor=executor)
    for size in (2, 4):
        folder = enter(f"run{size}")
        every = together(size, partial(train, folder, f"{rule} iter_size: {4 // size}", executor=executor))
        for _, heard in every:
            same(heard, log)
        assert files(folder) == files(alone)


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks and buckets so small that a small net has several."""
    monkeypatch.setattr(parts, "CHUNK", 16)
    monkeypatch.setattr(update, "CHUNK", 16)
    monkeypatch.setattr(parts, "LEAST_BUCKET", 200)


@pytest.mark.usefixtures("small_buckets")
@pytest.mark.parametrize("rule", RULES)
def test_exchange_beside_backward_gives_the_same_bits(enter: Enter, rule: str) -> None:
    """With two batches of each rank, and with one."""
    alone = enter("alone")
    _, log = train(alone, f"{rule} iter_size: 6")
    for size, options in ((3, {}), (3, {"threads": 2}), (6, {})):
        folder = enter(f"run{size}{len(options)}")
        every = together(size, partial(train, folder, f"{rule} iter_size: {6 // size}", **options))
        for solver, heard in every:
            same(heard, log)
            assert len(solver.updater.parts.buckets) > 3
            assert solver.updater.updates_in_backward == ("clip" not in rule)
        assert files(folder) == files(alone)


def test_debug_info_is_that_of_one_process(enter: Enter) -> None:
    settings = "debug_info: true momentum: 0.9"
    _, log = train(enter("alone"), f"{settings} iter_size: 4")
    for _, heard in together(2, partial(train, enter("run2"), f"{settings} iter_size: 2")):
        same(heard, log)
    assert log.sizes


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_run_goes_on_with_any_number_of_ranks(enter: Enter, size: int) -> None:
    rule = 'type: "Adam" snapshot_diff: true'
    whole = enter("whole")
    train(whole, f"{rule} iter_size: 4")
    stopped = enter("stopped")
    state = str(whole / "net_iter_2.solverstate")
    together(size, partial(train, stopped, f"{rule} iter_size: {4 // size}", resume=state))
    assert files(stopped)["net_iter_4.solverstate"] == files(whole)["net_iter_4.solverstate"]


def test_a_skipped_update_skips_the_same_batches(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch of the second iteration has a loss that is not finite, whichever rank has it."""
    logs = []
    for size in (1, 2, 4):
        folder = enter(f"run{size}")

        def run(ranks: Ranks, folder: Path = folder) -> Log:
            path, log = folder / f"net{ranks.rank}.net", Log()
            path.write_text(NET.replace("SETTINGS", f"iter_size: {4 // ranks.size}"))
            solver = netc.Solver(path, events=log, ranks=ranks, threads=1, keep_gradients=False, on_nan="skip")
            forward = solver.net.forward

            def spoilt() -> dict[str, Array]:
                at = solver.net.iteration
                outputs = forward()
                solver.net.loss = float("nan") if at == 5 else solver.net.loss
                return outputs

            monkeypatch.setattr(solver.net, "forward", spoilt)
            solver.solve()
            return log

        logs += [run(ALONE)] if size == 1 else together(size, run)
    assert logs[0].warnings == ["SOL013"]
    for log in logs[1:]:
        same(log, logs[0])
        assert log.warnings == ["SOL013"]
    assert files(folder) == files(folder.parent / "run1")


def test_different_ranks_are_refused(enter: Enter) -> None:
    folder = enter("run")

    def run(ranks: Ranks) -> None:
        train(folder, f"iter_size: 1 momentum: {0.5 + ranks.rank / 10}", ranks)

    with pytest.raises(NetError) as found:
        together(2, run)
    assert [d.code.id for d in found.value.diagnostics] == ["SOL042"]
    assert "rank 1 has another solver than rank 0" in found.value.diagnostics[0].message


def test_a_full_disk_is_told_to_all(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = enter("run")

    def full(path: Path, write: object) -> None:
        raise NetError(Diagnostic(NOT_WRITTEN, f"{path} cannot be written: no space left on device"))

    monkeypatch.setattr(snapshots, "write_message", full)

    def run(ranks: Ranks) -> str:
        with pytest.raises(NetError) as found:
            train(folder, "iter_size: 1", ranks)
        return found.value.diagnostics[0].code.id

    assert together(2, run) == ["SNP020", "SNP020"]


RECURRENT = """
x, cont = HDF5Data() { source: "../data/list" batch_size: 4 }
h = LSTM(x, cont) { num_output: 6 weight_filler { type: "xavier" } }
h as ip = InnerProduct(h) { axis: 2 num_output: 3 weight_filler { type: "xavier" } }
loss = Reduction(h) { operation: SUMSQ axis: 0 coeff: 0.01 }
solver { base_lr: 0.05 lr_policy: "fixed" max_iter: 4 random_seed: 5 snapshot: 2 snapshot_prefix: "net" SETTINGS }
"""


def sequences(folder: Path, first: float) -> None:
    """Five batches of 4 steps of 3 streams; `first` is `cont` at the first step of each but the first."""
    cont = np.ones((20, 3), np.float32)
    cont[::4] = first
    cont[0] = 0
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = np.random.default_rng(1).standard_normal((20, 3, 5)).astype(np.float32)
        file["cont"] = cont
    (folder / "list").write_text("x.h5\n")


def test_sequences_that_begin_anew_are_divided(enter: Enter) -> None:
    sequences(enter("data"), first=0)
    alone = enter("alone")
    train(alone, "iter_size: 2", net=RECURRENT)
    folder = enter("run2")
    together(2, partial(train, folder, "iter_size: 1", net=RECURRENT))
    assert files(folder) == files(alone)


CONSTANT = """x = HDF5Data() { source: "../data/list" batch_size: 4 }
cont = DummyData() { shape { dim: [4, 3] } }"""


@pytest.mark.parametrize("source", ["", CONSTANT], ids=["by a batch", "by the net"])
def test_sequences_that_may_go_on_are_refused(enter: Enter, source: str) -> None:
    sequences(enter("data"), first=1)
    plain = 'x, cont = HDF5Data() { source: "../data/list" batch_size: 4 }'
    with pytest.raises(NetError) as found:
        together(2, partial(train, enter("run"), "", net=RECURRENT.replace(plain, source or plain)))
    assert [d.code.id for d in found.value.diagnostics] == ["SOL043"]
    assert found.value.diagnostics[0].span is not None


LAZY = """train {
e = Embed(label) { input_dim: 10 num_output: 10 param { lazy: true } }
loss_e = SoftmaxWithLoss(e, label)
}"""


def test_tables_that_are_updated_by_rows_are_refused(enter: Enter) -> None:
    with pytest.raises(NetError) as found:
        together(2, partial(train, enter("run"), "", net=NET.replace("\nloss =", f"\n{LAZY}\nloss =")))
    (refused,) = found.value.diagnostics
    assert refused.code.id == "SOL046"
    assert refused.message == '"e/weights" is updated by rows, which 2 ranks cannot add up'
    assert refused.span is not None
    assert refused.span.source.text[refused.span.start :].startswith("e = Embed")


WRITES = 'test { HDF5Output(h, label) { file_name: "out.h5" } }\nloss = SoftmaxWithLoss'


def test_a_test_net_that_writes_is_tested_on_one_rank(enter: Enter) -> None:
    net = NET.replace("loss = SoftmaxWithLoss", WRITES)
    alone = enter("alone")
    _, log = train(alone, "iter_size: 2", net=net)
    folder = enter("run2")
    for _, heard in together(2, partial(train, folder, "iter_size: 1", net=net)):
        same(heard, log)
        assert heard.warnings == ["SOL044"]
    assert files(folder) == files(alone)


@pytest.mark.parametrize("on_bad_record", ["stop", "skip"])
def test_sources_that_cannot_pass_over_batches_are_read(enter: Enter, on_bad_record: str) -> None:
    """Where bad records are left out nobody knows where a batch begins; rank r reads all, and takes its own."""
    images = np.random.default_rng(1).standard_normal((23, 1, 8, 8)).astype(np.float32)
    np.savez(enter("data") / "digits.npz", data=images, label=np.arange(23) % 10)
    source = 'ArrayData() { source: "../data/digits.npz" batch_size: 8 shuffle: true }'
    net = NET.replace('Digits() { split: "train" batch_size: 8 shuffle: true }', source)
    alone = enter("alone")
    train(alone, "iter_size: 2", net=net, on_bad_record=on_bad_record)
    folder = enter("run2")
    together(2, partial(train, folder, "iter_size: 1", net=net, on_bad_record=on_bad_record))
    assert files(folder) == files(alone)


def test_a_launcher_is_known_by_its_environment() -> None:
    assert size_of_launch({}) == 1
    assert size_of_launch({"PMI_SIZE": "4", "PMI_RANK": "0"}) == 4
    assert size_of_launch({"OMPI_COMM_WORLD_SIZE": "3"}) == 3
    assert size_of_launch({"SLURM_NTASKS": "8"}) == 1  # a batch script, not a step of MPI
    assert size_of_launch({"SLURM_NTASKS": "8", "PMIX_RANK": "0"}) == 8


def test_off_leaves_the_environment_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")
    with _ranks.together("off", 30) as ranks:
        assert ranks is ALONE


def test_a_core_is_left_where_fewer_threads_compute_than_there_are_cores() -> None:
    """Of all ranks of the machine that may use it."""
    cores = len(usable_cores())
    assert [has_core_left(ALONE, threads) for threads in (cores - 1, cores)] == [True, False]
    assert together(2, lambda ranks: has_core_left(ranks, cores - 1)) == [cores < 2] * 2
    assert together(2, lambda ranks: has_core_left(ranks, cores)) == [False, False]


def test_a_launcher_without_mpi4py_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.delitem(sys.modules, "netc.solve.ranks.mpi", raising=False)
    with pytest.raises(NetError) as found:
        ranks_of_launcher(30)
    assert [d.code.id for d in found.value.diagnostics] == ["SOL040"]


class Silence:
    """A line on which nobody is heard after some beats."""

    rank, others = 0, (1, 2)

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send(self, rank: int) -> None:
        self.sent.append(rank)

    def heard(self, rank: int) -> bool:
        return rank == 1 or len(self.sent) < 20


def test_a_rank_that_is_silent_ends_all(capfd: pytest.CaptureFixture[str]) -> None:
    ended, line = threading.Event(), Silence()
    codes: list[int] = []

    def abort(code: int) -> None:
        codes.append(code)
        ended.set()

    pulse = Pulse(line, 0.2, abort)
    assert ended.wait(60)
    pulse.stop()
    assert codes[0] == 1
    assert "rank 0: error[SOL045]: rank 2 has not been heard of for 0.2 seconds" in capfd.readouterr().err


def chunk(at: int) -> Chunk:
    nothing = np.empty(0, np.float32)
    return Chunk(0, 0, at, nothing, nothing, (), nothing)


@pytest.mark.usefixtures("small_buckets")
def test_buckets_are_the_last_gradients_first() -> None:
    chunks = [chunk(at) for at in (0, 50, 90, 100, 500, 520)]
    found = buckets_of(chunks, 700, 2)
    assert [bucket.bounds for bucket in found] == [(500, 520, 700), (100, 100, 500), (0, 50, 100)]
    assert [[c.at for c in bucket.chunks] for bucket in found] == [[500, 520], [100], [0, 50, 90]]
    assert [found[1].owner(chunks[3]), found[2].owner(chunks[0]), found[2].owner(chunks[2])] == [1, 0, 1]
    (whole,) = buckets_of(chunks, 700, 1)
    assert (whole.bounds, len(whole.chunks)) == ((0, 700), 6)


def test_parts_are_of_whole_chunks() -> None:
    chunks = [chunk(at) for at in (0, 100, 110, 150, 300)]
    assert divided(chunks, 0, 400, 1) == (0, 400)
    assert divided(chunks, 0, 400, 2) == (0, 150, 400)
    assert divided(chunks, 0, 400, 4) == (0, 100, 150, 300, 400)
    assert divided(chunks[:1], 0, 400, 3) == (0, 0, 0, 400)
