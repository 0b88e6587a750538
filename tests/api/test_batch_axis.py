"""Text is steps x samples: whatever asks for another batch, or for one sample, asks the source where samples are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.api.definition import Definition
from netc.api.deploy import deploy
from netc.api.planning import load, plan_state, states
from netc.api.predict import Predictor
from netc.api.session import Solver
from netc.convert.onnx.sizes import sizes_of
from netc.graph import State
from netc.plan.counts import batch_size
from netc.run import weights_of
from netc.schema.weights_write import dump_weights

STEPS, FILE, DEPLOYED = 4, 6, 3
TAGGER = f"""
let text = {{ source: "tags.txt" form: TAGS unit: WORD steps: {STEPS} batch_size: {FILE} }}
train, test {{ word, mask, tag = Text() {{ text_param: text }} }}
DEPLOY
h = Embed(word) {{ input_dim: 9 num_output: 5 bias_term: false weight_filler {{ type: "gaussian" }} }}
h = LSTM(h, mask) {{ num_output: 6 weight_filler {{ type: "gaussian" }} }}
score = InnerProduct(h) {{ axis: 2 num_output: 7 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(score, tag) {{ softmax_param {{ axis: 2 }} }}
solver {{ base_lr: 0.1 lr_policy: "fixed" max_iter: 2 random_seed: 1 }}
"""
SHAPE = f"{{ shape {{ dim: [{STEPS}, {DEPLOYED}] }} }}"
INPUTS = f"deploy {{ word = Input() {SHAPE} mask = Input() {SHAPE} }}"
OUTPUT = "deploy { prob = Softmax(score) { axis: 2 } }"


def write(folder: Path, deployed: bool) -> Path:
    """The net, whose file says what its deployed net reads, or leaves that to `netc deploy`."""
    lines = [f"{' '.join('abc'[: 1 + n % 3])}\t{' '.join('xyz'[: 1 + n % 3])}\n" for n in range(24)]
    (folder / "tags.txt").write_text("".join(lines))
    path = folder / "tagger.net"
    path.write_text(TAGGER.replace("DEPLOY", INPUTS) + OUTPUT if deployed else TAGGER.replace("DEPLOY", ""))
    return path


@pytest.fixture(params=[True, False], ids=["with a deploy block", "without"])
def net(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path, request.param)


def shape(definition: Definition, state: State, name: str, **options: object) -> tuple[int, ...]:
    made = plan_state(definition, state, **options)  # type: ignore[arg-type]
    return next(made.shapes[v.index] for v in made.graph.values if v.name == name)


def test_another_batch(net: Path) -> None:
    definition = load(net)
    for state in {State("TEST"), states(definition)[-1]}:
        assert shape(definition, state, "word", batch=5) == (STEPS, 5)
        assert shape(definition, state, "mask", batch=5) == (STEPS, 5)
        assert batch_size(plan_state(definition, state, batch=5)) == 5
    assert shape(definition, State("TEST"), "tag", inputs={"word": (STEPS, 9)}) == (STEPS, 9)
    assert batch_size(plan_state(definition, State("TEST"))) == FILE


def test_overfitting_takes_so_many_samples(net: Path) -> None:
    solver = Solver(net, overfit=2)
    assert solver.net.plan.shapes[0] == (STEPS, 2)
    solver.step(1)


def test_the_net_that_predicts_has_a_batch_of_samples(net: Path) -> None:
    found = deploy(load(net), batch=8)
    assert shape(found.definition, State("TEST"), "word") == (STEPS, 8)
    assert found.samples == {"word": 1, "mask": 1}


def test_each_sample_is_predicted_by_itself(net: Path) -> None:
    definition = load(net)
    trained = netc.Net(definition, seed=3)
    Path("w.caffemodel").write_bytes(dump_weights("", weights_of(trained).layers))
    random = np.random.default_rng(0)
    word, mask = random.integers(0, 9, (STEPS, 5)), np.ones((STEPS, 5))
    mask[0] = 0
    np.savez("x.npz", word=word.astype(np.float32), mask=mask.astype(np.float32))
    found = list(Predictor(definition, ["w.caffemodel"], batch=4)(["x.npz"]))
    assert [p.problem for p in found] == [None] * 5
    whole = netc.Net(deploy(definition, batch=5).definition, weights="w.caffemodel")
    (expected,) = whole.forward(word=word, mask=mask).values()
    for column, prediction in enumerate(found):
        (mine,) = prediction.outputs.values()
        np.testing.assert_allclose(mine, expected[:, column : column + 1], rtol=1e-5)


def test_onnx_frees_the_samples(tmp_path: Path) -> None:
    definition = load(write(tmp_path, deployed=True))
    planned = plan_state(definition, states(definition)[-1])
    names = sizes_of(planned, ("N",)).names
    of_blobs = {(planned.graph.values[value].name, axis): name for (value, axis), name in names.items()}
    assert of_blobs == {("word", 1): "N", ("mask", 1): "N"}
