"""First losses, 87.3365, dead ReLUs, gradients that vanish or explode."""

import math
from pathlib import Path

import numpy as np
import pytest

from netc.api.definition import loads
from netc.api.planning import plan
from netc.api.sanity import Inspection, Inspector, Losses, guesses, spread
from netc.api.session import Solver
from netc.api.units import units_of
from netc.errors import Diagnostic
from netc.role import Guess
from netc.solve import Events, Step

NET = """
name: "deep"
layer {{ name: "data" type: "Digits" top: "data" top: "label" digits_param {{ split: "train" batch_size: 16 }} }}
layer {{
  name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param {{ num_output: 20 weight_filler {{ {first} }} bias_filler {{ type: "constant" value: {bias} }} }}
}}
layer {{ name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }}
layer {{
  name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param {{ num_output: 10 weight_filler {{ {second} }} }}
}}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
solver {{ base_lr: 0.01 max_iter: 3 display: 2 snapshot_after_train: false random_seed: 1 }}
"""
MSRA = 'type: "msra"'


class Heard(Events):
    def __init__(self) -> None:
        self.codes: list[str] = []

    def warned(self, diagnostic: Diagnostic) -> None:
        self.codes.append(diagnostic.code.id)


def inspect(tmp_path: Path, first: str = MSRA, second: str = MSRA, bias: float = 0.0) -> list[Inspection]:
    path = tmp_path / "deep.net"
    path.write_text(NET.format(first=first, second=second, bias=bias))
    solver, seen = Solver(path), list[Inspection]()
    inspector = Inspector(solver.net, lambda iteration: iteration == 2, seen.append, keep=True)
    solver.events = inspector
    with solver.net.observed(inspector):
        solver.solve()
    return seen


def test_values_and_gradients_of_the_first_and_the_chosen_iteration(tmp_path: Path) -> None:
    seen = inspect(tmp_path)
    assert [found.iteration for found in seen] == [0, 2]
    first = seen[0]
    assert [a.layer for a in first.activities] == ["data", "data", "ip1", "relu1", "ip2", "loss"]
    assert [g.blob for g in first.gradients] == ["ip1/weights", "ip1/bias", "ip2/weights", "ip2/bias"]
    relu = first.activities[3]
    assert relu.units == 20
    assert 0.2 < relu.spread.zeros < 0.8
    assert relu.spread.least == 0
    weights = first.gradients[0]
    assert weights.spread.norm == pytest.approx(np.linalg.norm(first.arrays["gradients/ip1/weights"]), rel=1e-5)
    assert weights.ratio == pytest.approx(weights.spread.norm / weights.weight_norm)
    assert first.findings() == []


def test_dead_relus_are_found(tmp_path: Path) -> None:
    (found, _) = inspect(tmp_path, bias=-100)
    assert [a.dead for a in found.activities if a.units] == [20]
    assert "RUN044" in [d.code.id for d in found.findings()]


@pytest.mark.parametrize(
    ("layer", "shape", "units"),
    [
        ("InnerProduct(x) { axis: 2 num_output: 4 }", (6, 2, 4), 2),  # steps x samples x values
        ("Convolution(x) { num_output: 2 kernel_size: 1 }", (6, 2, 3), 1),  # of lines: samples x channels x places
        ("InnerProduct(x) { num_output: 4 }", (6, 4), 1),
    ],
)
def test_units_of_a_sequence_are_its_values(layer: str, shape: tuple[int, ...], units: int) -> None:
    text = f"x = Input() {{ shape {{ dim: [6, 2, 3] }} }}\nh = {layer}\nn = LayerNorm(h)\ny = ReLU(n)"
    graph = plan(loads(text)).graph
    top = np.ones((12, *shape[1:]), np.float32)
    np.moveaxis(top, units, 0)[1] = 0
    assert units_of(graph, graph.nodes[3], top) == (shape[units], 1)
    assert units_of(graph, graph.nodes[1], top) == (0, 0)


def test_a_vanishing_and_an_exploding_gradient_are_found(tmp_path: Path) -> None:
    (found, _) = inspect(tmp_path, second='type: "gaussian" std: 1e-9')
    assert [(d.code.id, d.message.split('"')[1]) for d in found.findings()] == [
        ("RUN045", "ip1/weights"),
        ("RUN046", "ip2/weights"),
    ]
    (found, _) = inspect(tmp_path, second='type: "gaussian" std: 1e4')
    assert ("RUN046", "ip1/weights") in [(d.code.id, d.message.split('"')[1]) for d in found.findings()]


DEEP = """
data, label = Digits() {{ split: "train" batch_size: 16 }}
h = data
for i in 1..8 {{
  h = InnerProduct(h) {{ num_output: 20 weight_filler {{ type: "{filler}" }} }}
  h = {activation}(h)
}}
score = InnerProduct(h) {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(score, label)
solver {{ base_lr: 0.01 max_iter: 1 snapshot_after_train: false random_seed: 1 }}
"""
LOOKUP = """
word = Input() { shape { dim: 8 } }
label = Input() { shape { dim: 8 } }
e = Embed(word) { input_dim: 20000 num_output: 8 weight_filler { type: "xavier" } }
score = InnerProduct(e) { num_output: 3 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(score, label)
solver { base_lr: 0.01 max_iter: 1 snapshot_after_train: false random_seed: 1 }
"""


def vanished(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "deep.net"
    path.write_text(text)
    solver, seen = Solver(path), list[Inspection]()
    inspector = Inspector(solver.net, lambda iteration: True, seen.append)
    solver.events = inspector
    with solver.net.observed(inspector):
        solver.solve()
    return [d.message.split('"')[1] for d in seen[0].findings() if d.code.id == "RUN045"]


@pytest.mark.parametrize(
    ("activation", "filler", "layers"),
    [("Sigmoid", "xavier", ["h/weights", "h_2/weights"]), ("TanH", "xavier", []), ("ReLU", "msra", [])],
)
def test_a_gradient_vanishes_in_eight_sigmoids(tmp_path: Path, activation: str, filler: str, layers: list[str]) -> None:
    assert vanished(tmp_path, DEEP.format(activation=activation, filler=filler)) == layers


def test_rows_of_an_embedding_that_a_batch_does_not_name_are_no_vanished_gradient(tmp_path: Path) -> None:
    assert vanished(tmp_path, LOOKUP) == []


def test_what_a_guess_costs() -> None:
    assert guesses(plan(loads(NET.format(first=MSRA, second=MSRA, bias=0)), "TRAIN")) == {
        "loss": Guess(math.log(10), 10)
    }
    sigmoid = """layer { name: "data" type: "Input" top: "x" top: "t"
      input_param { shape { dim: 4 dim: 6 } } }
    layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "loss" }"""
    assert guesses(plan(loads(sigmoid), "TRAIN")) == {"loss": Guess(math.log(2) * 6, 2)}


@pytest.mark.parametrize(
    ("loss", "said"), [(2.5, []), (76.0, ["RUN042"]), (0.1, ["RUN042"]), (87.33655, ["RUN042", "RUN043"])]
)
def test_the_first_loss_is_compared_with_a_guess(loss: float, said: list[str]) -> None:
    heard = Heard()
    losses = Losses(plan(loads(NET.format(first=MSRA, second=MSRA, bias=0)), "TRAIN"), heard)
    for iteration in (1, 2):
        losses.stepped(Step(iteration, loss, loss, 0.1, {"loss": np.array(loss, np.float32)}, False))
    assert heard.codes == said


def test_a_run_that_goes_on_is_not_a_guess() -> None:
    heard = Heard()
    losses = Losses(plan(loads(NET.format(first=MSRA, second=MSRA, bias=0)), "TRAIN"), heard)
    losses.started(10, 20)
    losses.stepped(Step(11, 0.1, 0.1, 0.1, {"loss": np.array(0.1)}, False))
    assert heard.codes == []


def test_the_spread_of_arrays_with_nothing_finite() -> None:
    assert math.isnan(spread(np.array([np.nan, np.inf])).mean)
    assert sum(spread(np.array([1.0, np.nan, 3.0])).histogram) == 2
