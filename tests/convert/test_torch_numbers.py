"""Models for PyTorch give netc's numbers: every layer type's examples, forward and back; whole nets; training.

PyTorch is no dependency of netc, nor of its tests: 200 MB are too much for most. `pip install torch` runs these.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.convert import files
from netc.convert.check import check, random_inputs
from netc.convert.model import Options
from netc.convert.torch import TorchModel, export
from netc.convert.torch.phases import views
from netc.convert.torch.runner import imported, load
from netc.errors import NetError
from netc.layer import Example, LayerType
from netc.run.net import Net
from netc.run.weights import weights_of
from tests.convert.torch_nets import CASES, build, written

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")

NETS = Path(__file__).parents[2] / "nets"
SMALL = Path(__file__).parent / "onnx_nets"
DRAWS = ("Dropout", "RReLU")
"""Types that draw at random in training."""


def draws(layer_type: LayerType, example: Example) -> bool:
    random = example.phase == "TRAIN" or "sample_weights_test" in example.fields
    return (layer_type.name in DRAWS or "STOCHASTIC" in example.fields) and random


def tops_of(model: TorchModel, net: Net, training: bool) -> tuple[Any, list[Any], list[Any]]:
    """The module, its inputs and what it makes of them."""
    module = load(model).train(training)
    given = [torch.tensor(net.inputs[name].copy(), requires_grad=True) for name in model.inputs]
    made = module(*given)
    return module, given, list(made) if isinstance(made, tuple) else [made]


@pytest.mark.parametrize(
    ("layer_type", "example"), CASES, ids=lambda v: v.name if isinstance(v, LayerType) else v.fields
)
def test_every_example_gives_the_same_numbers(layer_type: LayerType, example: Example) -> None:
    net = build(layer_type, example)
    try:
        model = written(net)
    except NetError:  # tests/convert/test_torch.py says which
        return
    module, given, tops = tops_of(model, net, example.phase == "TRAIN")
    names = [net.graph.values[v].name for v in net.graph.nodes[-1].tops]
    expected = net.forward()
    for name, top in zip(names, tops, strict=True):
        assert tuple(top.shape) == expected[name].shape
        if not draws(layer_type, example):
            np.testing.assert_allclose(top.detach().numpy(), expected[name], 1e-4, 1e-5)
    if draws(layer_type, example) or layer_type.backward is None or not tops[0].requires_grad:
        return
    back(layer_type, example, net, model, module, given, tops[0])


def back(
    layer_type: LayerType, example: Example, net: Net, model: TorchModel, module: Any, given: list[Any], top: Any
) -> None:
    """Gradients of parameters and bottoms."""
    node, setup = net.graph.nodes[-1], net.plan.layers[-1].setup
    if layer_type.loss:
        net.backward()
        (node.loss_weights[0] * top).backward()
    else:
        diff = np.random.default_rng(5).standard_normal(tuple(top.shape)).astype(np.float32)
        net.backward(diffs={net.graph.values[node.tops[0]].name: diff})
        top.backward(torch.tensor(diff))
    for name, parameter in module.named_parameters():
        learned = model.state[name]
        assert learned.blob is not None
        blob = setup.params[learned.blob]
        if blob.learned and not blob.own_gradient:
            found = parameter.grad.numpy() if parameter.grad is not None else np.zeros(tuple(parameter.shape))
            found = (found.T if learned.turned else found).reshape(blob.shape)
            np.testing.assert_allclose(found, net.param_diffs[learned.layer][learned.blob], 1e-3, 1e-4, err_msg=name)
    if not example.gradient or setup.own_gradient or any(p.own_gradient for p in setup.params):
        return
    for index, name in enumerate(model.inputs):
        if layer_type.gives_gradient(index) and given[index].grad is not None:
            np.testing.assert_allclose(given[index].grad.numpy(), net.diffs[name], 1e-3, 1e-4, err_msg=name)


# ---------------------------------------------------------------- whole nets


@pytest.mark.parametrize("name", ["digits", "lenet", "squeezenet", "googlenet"])
def test_gallery(name: str) -> None:
    """Every blob of the net that predicts, as `netc convert --check` compares them."""
    made = files.dump(files.read(NETS / f"{name}.net"), ".py", Options(batch=1))
    assert made.checkable is not None
    found = check(made.checkable, random_inputs(made.checkable, 1))
    assert found.problem is None
    assert found.compared == found.computed > 7


@pytest.mark.parametrize("name", ["ssd", "rcnn", "fcn", "openpose"])
def test_detectors_and_maps(name: str) -> None:
    """Every blob, and what is found as sets."""
    made = files.dump(files.read(SMALL / f"{name}.net"), ".py", Options())
    assert made.checkable is not None
    found = check(made.checkable, random_inputs(made.checkable))
    assert found.problem is None, found.problem
    assert found.compared == found.computed > 10


def test_outputs_of_a_net_that_draws_are_of_the_draws_that_are_looked_at(tmp_path: Path) -> None:
    """Dropout at test: what comes after it is compared, on what PyTorch drew."""
    (tmp_path / "draws.net").write_text(
        "data = Input() { shape { dim: [3, 40] } }\na = Dropout(data) { sample_weights_test: true }\nb = Softmax(a)\n"
    )
    it = files.dump(files.read(tmp_path / "draws.net"), ".py", Options()).checkable
    assert it is not None
    found = check(it, random_inputs(it))
    assert (found.problem, found.compared, found.computed) == (None, 1, 2)


def test_layers_after_a_filter_that_lets_nothing_through(tmp_path: Path) -> None:
    (tmp_path / "few.net").write_text(
        "data, chosen = Input() { shape { dim: [3, 4, 2, 3] } shape { dim: [3] } }\n"
        "few = Filter(data, chosen)\n"
        "a = Reshape(few) { shape { dim: [0, 0, 1, -1] } }\nb = Reshape(few) { axis: 1 shape { dim: -1 } }\n"
        "c = Reshape(few) { shape { dim: [-1, 8] } }\nd = InnerProduct(b) { num_output: 2 }\n"
    )
    it = files.dump(files.read(tmp_path / "few.net"), ".py", Options()).checkable
    assert it is not None
    data = np.random.default_rng(0).standard_normal((3, 4, 2, 3)).astype(np.float32)
    chosen = (np.array(c, np.float32) for c in ([0, 0, 0], [0, 1, 0], [1, 1, 1]))
    found = check(it, [{"data": data, "chosen": c} for c in chosen])
    assert (found.problem, found.runs) == (None, 3)


STEPS = 5
INPUTS = """train, test {{
  data = Input() {{ shape {{ dim: {shape} }} }}
  label = Input() {{ shape {{ dim: {shape[0]} }} }}
}}
deploy {{ data = Input() {{ shape {{ dim: {shape} }} }} }}
"""


def test_lenet_trains_to_the_same_losses(tmp_path: Path) -> None:
    text = (NETS / "lenet.net").read_text()
    before, _, rest = text.partition("train {\n")
    text = before + INPUTS.format(shape=[16, 1, 28, 28]) + rest[rest.index("conv1 = ") :]
    (tmp_path / "lenet.net").write_text(text)
    train_by_both(tmp_path / "lenet.net", (16, 1, 28, 28), 10)


def test_resnet18_trains_to_the_same_losses(tmp_path: Path) -> None:
    """Small images; statistics of BatchNorm begin at nothing.

    At a rate of 0.01 netc's two executors and PyTorch in float32 and float64 drift apart by 2e-3 in five steps: the
    loss rises at first, and rounding grows with it. At 0.001 they stay together.
    """
    shape = [8, 3, 64, 64]
    text = (NETS / "resnet18.net").read_text()
    text = text.replace("data, label = imagenet() { batch: 64 }\n", INPUTS.format(shape=shape))
    (tmp_path / "resnet18.net").write_text(text)
    (tmp_path / "blocks").mkdir()
    for path in (NETS / "blocks").iterdir():
        block = path.read_text().replace("{ kernel_size: 7 stride: 1 pool: AVE }", "{ global_pooling: true pool: AVE }")
        (tmp_path / "blocks" / path.name).write_text(block)
    train_by_both(tmp_path / "resnet18.net", (8, 3, 64, 64), 1000, 0.001)


def train_by_both(path: Path, shape: tuple[int, ...], classes: int, rate: float = 0.01) -> None:
    """Five steps of SGD with momentum and decay, from the same start, on the same batches."""
    rng = np.random.default_rng(0)
    batches = [
        (rng.standard_normal(shape, dtype=np.float32), rng.integers(0, classes, shape[0]).astype(np.float32))
        for _ in range(STEPS)
    ]
    settings = {"lr_policy": "fixed", "base_lr": rate, "max_iter": STEPS, "test_interval": 0, "display": 0}
    settings |= {"snapshot": 0, "momentum": 0.9, "weight_decay": 0.0005}
    solver = netc.Solver(path, changes=settings, executor="reference")
    made = export(views(replace(files.read(path), weights=weights_of(solver.net)), Options())[0], path.name)
    module = load(made).train()  # with the parameters as they are now: `made` has no others
    ours = []
    for data, label in batches:
        solver.net.set_input("data", data)
        solver.net.set_input("label", label)
        solver.step(1)
        ours.append(solver.net.loss)
    optimizer = torch.optim.SGD(imported(made).parameter_groups(module, rate, 0.0005), momentum=0.9)
    theirs = []
    for data, label in batches:
        optimizer.zero_grad()
        loss = module.loss(torch.tensor(data), torch.tensor(label))
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    np.testing.assert_allclose(theirs, ours, 1e-4)
    assert ours[0] != ours[-1]
    for name, value in module.state_dict().items():  # parameters, and what BatchNorm has kept
        if (learned := made.state[name]).blob is not None:
            blob = solver.net.params[learned.layer][learned.blob]
            np.testing.assert_allclose(value.numpy().reshape(blob.shape), blob, 1e-3, 1e-4, err_msg=name)
        elif name.endswith("running_mean"):
            mean, _, factor = solver.net.params[learned.layer][:3]
            np.testing.assert_allclose(value.numpy(), mean / factor, 1e-2, 5e-3, err_msg=name)
