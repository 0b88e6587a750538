"""One net and two threads: refused, and what the refusal proposes: replicas that share weights and nothing else."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.errors import NetError
from netc.run import Net
from netc.run.fast import Fast
from tests.run.common import make
from tests.run.test_fast import CAFFENET, LENET, conv, data, ip, loss
from tests.run.test_interrupts import fill, filled, results

EXECUTORS = ("reference", "fast")
WEIGHTS = data(2, 3, 8, 8) + conv("data", "c1", "num_output: 256 kernel_size: 3") + ip("c1", "f1", 256) + loss("f1")


def in_thread(call: Callable[[], object]) -> object:
    """What a call in a thread of its own gives, or raises."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(NetError) as caught:
        call()
    assert caught.value.diagnostics[0].code.id == "RUN026"
    assert "net.replica()" in (caught.value.diagnostics[0].help or "")
    return caught.value.diagnostics[0].message


def observed(net: Net, call: Callable[[], object]) -> None:
    """Make the call in the middle of a forward pass of another thread."""
    inside, done = threading.Event(), threading.Event()

    def wait(*_: Any) -> None:
        inside.set()
        assert done.wait(60)

    def forward() -> None:
        with net.observed(wait):
            net.forward()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(forward)
        try:
            assert inside.wait(60)
            call()
        finally:
            done.set()
        running.result()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_pass_while_another_thread_is_in_one(executor: str) -> None:
    net = make(LENET, "TRAIN", seed=2, executor=executor)
    fill(net)
    wanted = results(net)
    assert "another thread is running it" in self_refusals(net)
    assert results(net) == wanted


def self_refusals(net: Net) -> str:
    said = []

    def use() -> None:
        said.append(refused(net.forward))
        refused(net.backward)
        refused(lambda: net.set_input("label", np.zeros(4)))
        refused(lambda: net.inputs)

    observed(net, use)
    return said[0]


def test_a_pass_inside_a_pass_is_refused() -> None:
    net = filled(LENET)
    said = []
    with net.observed(lambda *_: said.append(refused(net.forward))):
        net.forward()
    assert said
    assert set(said) == {"the net is used twice at once: from inside a pass"}


def test_inputs_of_two_threads_before_one_pass() -> None:
    """Passes that do not overlap give one thread the answer to the other's question all the same."""
    net = filled(LENET, "TEST")
    net.set_input("label", np.zeros(4))
    in_thread(lambda: net.set_input("label", np.ones(4)))
    refused(net.forward)
    net.set_input("label", np.zeros(4))
    net.forward()


def test_backward_of_another_threads_forward() -> None:
    net = filled(LENET)
    net.forward()
    in_thread(net.forward)
    refused(net.backward)


def test_a_net_may_pass_from_thread_to_thread() -> None:
    net = filled(LENET)
    wanted = results(net)
    assert in_thread(lambda: results(net)) == wanted
    net.inputs["label"][...] = net.inputs["label"]
    assert in_thread(lambda: results(net)) == wanted
    assert results(net) == wanted


def test_many_threads_get_right_answers_or_a_refusal() -> None:
    net = filled(LENET, "TEST")
    questions = [np.random.default_rng(i).standard_normal((4, 1, 12, 12)) for i in range(8)]

    def ask(net: Net, x: Any) -> bytes | None:
        try:
            net.set_input("data", x)
            return net.forward()["loss"].tobytes()
        except NetError:
            return None

    wanted = [ask(net, x) for x in questions]
    assert None not in wanted
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: (i % 8, ask(net, questions[i % 8])), range(400)))
    assert all(answer in (None, wanted[i]) for i, answer in found)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_replicas_in_threads_of_their_own(executor: str) -> None:
    net = make(CAFFENET, "TEST", seed=2, executor=executor)
    fill(net)
    wanted = results(net)
    own = threading.local()

    def ask(_: int) -> bool:
        if not hasattr(own, "net"):
            own.net = net.replica()
        return results(own.net) == wanted

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(ask, range(60)))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_replica_sees_what_is_written_into_the_weights(executor: str, phase: Any) -> None:
    net = make(CAFFENET, phase, seed=2, executor=executor)
    fill(net)
    twin = net.replica()
    assert type(twin) is type(net)
    assert results(twin) == (before := results(net))
    for written in (net, twin):
        written.params["c1"][0][...] *= 1.5
        after = results(net)
        assert after != before
        assert results(twin) == after
        before = after


@pytest.mark.parametrize("executor", EXECUTORS)
def test_all_else_is_the_replicas_own(executor: str) -> None:
    net = make(LENET, "TRAIN", seed=2, executor=executor)
    fill(net)
    wanted, twin = results(net), net.replica()
    for array in twin.inputs.values():
        array[...] = 0
    net.zero_param_diffs()
    net.forward()
    results(twin)
    twin.iteration = 99
    net.backward()
    net.iteration = 0
    assert results(net) == wanted
    assert net.iteration == 1


def test_a_replica_costs_its_blobs_only() -> None:
    net = filled(WEIGHTS, "TEST")
    twin = net.replica()
    first, second = net.executor, twin.executor
    assert isinstance(first, Fast)
    assert isinstance(second, Fast)
    weights = sum(b.data.nbytes for b in net.parameters.all)
    packed = first.program.packed_bytes
    assert second.program is first.program
    assert packed > 20_000
    assert second.arena.nbytes == first.arena.nbytes - packed
    assert second.arena.nbytes < 0.1 * weights
    assert all(a.values is b.values for a, b in zip(net.parameters.all, twin.parameters.all, strict=True))
    assert results(twin) == results(net)


def test_the_replica_of_a_net_whose_updates_are_made_in_backward() -> None:
    from tests.solve.test_solver import build  # noqa: PLC0415

    solver = build("", keep_gradients=False)[0]
    solver.step(2)
    twin = solver.net.replica()
    with pytest.raises(NetError, match="RUN016"):
        twin.forward()
    twin.inputs["data"][...] = 0.5
    assert twin.forward().keys() == solver.net.forward().keys()


# ---------------------------------------------------------------- other interfaces


def test_pycaffe_nets() -> None:
    """The same refusal and the same remedy; the replica has hooks and blobs of its own."""
    from netc import caffe  # noqa: PLC0415
    from netc.caffe.errors import CaffeError  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.prototxt")
        path.write_text(LENET)
        net = caffe.Net(str(path), caffe.TEST)
    drawn = np.random.default_rng(1)
    images = drawn.standard_normal(net.blobs["data"].data.shape)
    for blobs in net.params.values():
        blobs[0].data[...] = drawn.standard_normal(blobs[0].data.shape) * 0.3
    twin = net.replica()
    said: list[str] = []

    def use(_: int) -> None:
        with ThreadPoolExecutor(1) as pool, pytest.raises(CaffeError) as caught:
            pool.submit(net.forward).result()
        said.append(str(caught.value))

    net.before_forward(use)
    net.blobs["data"].data[...] = images
    net.forward()
    assert said
    assert all("RUN026" in one and "replica()" in one for one in said)
    scores = net.blobs["scores"].data.copy()
    assert not np.array_equal(twin.blobs["scores"].data, scores)
    twin.blobs["data"].data[...] = images
    twin.forward()
    np.testing.assert_allclose(
        twin.blobs["scores"].data, scores, rtol=1e-5, atol=1e-5
    )  # a hook needs the other executor
    net.params["c1"][0].data[...] = 0
    assert not twin.params["c1"][0].data.any()
    for _ in range(2):  # what that pass had inside cannot be made any more; the next pass has it
        with pytest.raises(NetError, match="RUN012"):
            _ = twin.blobs["c1"].data
    twin.forward()
    assert not twin.blobs["c1"].data.any()


def test_a_net_from_a_file_with_data() -> None:
    """The replica of a net that is fed has inputs instead, and the first goes on with its data."""
    net = netc.Net("nets/digits.net", "TEST")
    twin = net.replica()
    assert (set(net.inputs), set(twin.inputs)) == (set(), {"data", "label"})
    assert isinstance(twin, netc.Net)
    for name, array in twin.inputs.items():
        array[...] = 0 if name == "label" else 0.5
    assert twin.forward().keys() == net.forward().keys()
