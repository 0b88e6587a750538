"""A user's own layer file brings its fields, its kernels, its compiled steps and its ONNX writer: the one in docs/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.api.gradcheck import gradcheck
from netc.catalogue import catalogue
from netc.convert import files
from netc.convert.check import check, random_inputs
from netc.convert.model import Options
from netc.convert.onnx import export
from netc.convert.predicting import Predicting
from netc.errors import NetError
from tests.cli.conftest import Run
from tests.run.test_poison import check as touches
from tests.run.test_poison import fast_of

FILE = Path(__file__).parents[2] / "docs/examples/squareplus.py"
NET = """
data = Input() { shape { dim: [4, 3, 9, 7] } }
label = Input() { shape { dim: 4 } }
a = Convolution(data) { num_output: 20 kernel_size: 3 weight_filler { type: "xavier" } }
a = Squareplus(a) { b: 2 }
b = InnerProduct(a) { num_output: 5 weight_filler { type: "xavier" } }
b = Squareplus(b)
loss = SoftmaxWithLoss(b, label)
"""


def net_of(executor: str, threads: int = 1, training: bool = True) -> Any:
    definition = netc.loads(NET, layers=[FILE])
    net = netc.Net(definition, "TRAIN", training=training, executor=executor, threads=threads, seed=1)
    random = np.random.default_rng(0)
    net.inputs["data"][...] = random.standard_normal(net.inputs["data"].shape)
    net.inputs["label"][...] = random.integers(0, 5, 4)
    return net


def kernels_of(net: Any) -> list[str]:
    items = (*net.executor.program.forward, *net.executor.program.backward)
    return [item.launch.label for item in items if item.launch is not None]


def test_its_compiled_steps_run_and_give_its_own_kernels_numbers() -> None:
    reference, fast = net_of("reference"), net_of("fast", 2)
    assert kernels_of(fast).count("squareplus") == 1  # 20 values of `b` fill no vectors: those run on its own kernels
    assert kernels_of(fast).count("squareplus gradient") == 1
    for net in (reference, fast):
        net.forward()
        net.backward()
    assert fast.loss == pytest.approx(reference.loss, rel=1e-5)
    for name, diffs in reference.param_diffs.items():
        for expected, found in zip(diffs, fast.param_diffs[name], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_its_compiled_steps_touch_what_they_say() -> None:
    net = net_of("fast", 2)
    net.forward()
    assert touches(fast_of(net)) > 5


def test_its_backward_is_the_derivative() -> None:
    assert all(c.fine(1e-4) for c in gradcheck(netc.loads(NET, layers=[FILE]), values=4))


def test_its_onnx_writer_gives_the_same_numbers() -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    text = NET.replace("label = Input() { shape { dim: 4 } }\n", "").replace("loss = SoftmaxWithLoss(b, label)\n", "")
    net: Any = netc.Net(netc.loads(text, layers=[FILE]), "TEST", training=False)
    net.inputs["data"][...] = np.random.default_rng(0).standard_normal((4, 3, 9, 7))
    content = export(Predicting.of(net)).message().SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, dict(net.inputs))
    np.testing.assert_allclose(found, net.forward()["b"], rtol=1e-4, atol=1e-5)


def test_its_pytorch_writer_brings_its_function(tmp_path: Path) -> None:
    """Once, however many layers use it; a blob that is called as the function is does not hide it."""
    (tmp_path / "own.net").write_text(NET.replace("a = Squareplus", "squareplus = Squareplus"))
    text = files.dump(files.read(tmp_path / "own.net", [FILE]), ".py", Options()).content.decode()
    assert text.count("def squareplus(x: Tensor, b: float) -> Tensor:") == 1
    assert "squareplus_2 = squareplus(a, 2.0)" in text
    assert "squareplus(b, 4.0)" in text


def test_its_pytorch_writer_gives_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    (tmp_path / "own.net").write_text(NET)
    made = files.dump(files.read(tmp_path / "own.net", [FILE]), ".py", Options()).checkable
    assert made is not None
    found = check(made, random_inputs(made))
    assert (found.problem, found.compared) == (None, found.computed)


def test_its_refusals() -> None:
    (found,) = [t for t in catalogue([FILE]).types.values() if t.name == "Squareplus"]
    with pytest.raises(NetError) as caught:
        netc.plan(netc.loads(NET.replace("b: 2", "b: 0"), layers=[FILE]), "TRAIN")
    assert [d.code for d in caught.value.diagnostics] == [found.refuses[0].code]


def test_commands_take_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.net").write_text(NET)
    done = run("time", "own.net", "--layers", FILE, "--explain", "--phase", "TRAIN")
    assert done.code == 0, done.err
    assert "squareplus gradient" in done.out
