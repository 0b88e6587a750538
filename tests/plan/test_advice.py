"""Advice that a trainer would want: what is said, and what is not."""

from pathlib import Path

import pytest

from netc.api.definition import loads
from netc.api.planning import check, plan
from netc.api.session import Solver
from netc.cli import cli
from netc.errors import Diagnostic
from tests.cli.conftest import SMALL

DATA = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3, 8, 8] } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: [2] } } }
"""
ROOT = Path(__file__).parent.parent.parent
ADVICE = {f"PLN0{n}" for n in (*range(20, 29), 34, 35)}


def fc(name: str, bottom: str, outputs: int, filler: str = 'type: "xavier"', more: str = "") -> str:
    fields = f"inner_product_param {{ num_output: {outputs} weight_filler {{ {filler} }} {more} }}"
    return f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {fields} }}\n'


def one(kind: str, bottom: str, top: str, more: str = "") -> str:
    return f'layer {{ name: "{top}_{kind}" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}\n'


def loss(kind: str, bottom: str, more: str = "") -> str:
    return f'layer {{ name: "loss" type: "{kind}" bottom: "{bottom}" bottom: "label" top: "loss" {more} }}\n'


def advice(text: str, phase: str = "TRAIN") -> list[Diagnostic]:
    return [*plan(loads(DATA + text), phase).warnings]  # type: ignore[arg-type]


def shared(name: str, more: str = 'param { name: "v" }') -> str:
    """A layer whose weights are those of all that this makes, and with them its bias."""
    return fc(name, "x", 4).replace("inner_", f'param {{ name: "w" }} {more} inner_', 1)


def judged(bottom: str, more: str = "") -> str:
    return loss("SoftmaxWithLoss", bottom, more)


SCORES = fc("a", "x", 4)
HIDDEN = fc("a", "x", 4, 'type: "constant"')
ZERO = 'type: "constant"'
POOL, CONV = "pooling_param { kernel_size: 2 }", "convolution_param { num_output: 3 kernel_size: 3 pad: 1 %s }"
FLAT = 'layer { name: "f" type: "Flatten" bottom: "%s" top: "f" }\n'
WRONG = {
    "one class": ("PLN022", "loss", fc("a", "x", 1) + judged("a")),
    "softmax": ("PLN023", "loss", SCORES + one("Softmax", "a", "p") + judged("p")),
    "softmax in place": ("PLN023", "loss", SCORES + one("Softmax", "a", "a") + judged("a")),
    "softmax, flat": ("PLN023", "loss", SCORES + one("Softmax", "a", "p") + FLAT % "p" + judged("f")),
    "sigmoid": ("PLN023", "loss", SCORES + one("Sigmoid", "a", "p") + judged("p")),
    "dropout": ("PLN024", "loss", SCORES + one("Dropout", "a", "a") + judged("a")),
    "zeros": ("PLN026", "b", HIDDEN + fc("b", "a", 4, ZERO) + judged("b")),
    "zeros by default": (
        "PLN026", "b", fc("a", "x", 4, "") + one("ReLU", "a", "a") + fc("b", "a", 4, "") + judged("b"),
    ),
    "flatten": ("PLN027", "x_Flatten", one("Flatten", "x", "x")),
    "reshape": ("PLN027", "x_Reshape", one("Reshape", "x", "x", "reshape_param { shape { dim: [0, -1] } }")),
    "pooling": ("PLN027", "x_Pooling", one("Pooling", "x", "x", POOL)),
    "convolution": ("PLN027", "x_Convolution", one("Convolution", "x", "x", CONV % "")),
    "relu twice": ("PLN034", "b_ReLU", SCORES + one("ReLU", "a", "r") + one("ReLU", "r", "b") + judged("b")),
    "relu twice in place": ("PLN034", "a_TanH", SCORES + one("ReLU", "a", "a") + one("TanH", "a", "a") + judged("a")),
    "relu, dropout, relu": (
        "PLN034", "r_PReLU", SCORES + one("ReLU", "a", "r") + one("Dropout", "r", "r") + one("PReLU", "r", "r")
        + fc("b", "r", 4) + judged("b"),
    ),
    "a branch that nobody reads": ("PLN035", "b", SCORES + fc("b", "x", 4) + judged("a")),
    "a branch of several layers": (
        "PLN035", "b", SCORES + fc("b", "x", 4) + one("ReLU", "b", "b") + fc("c", "b", 4) + judged("a"),
    ),
    "a branch that shares its weights": (
        "PLN035", "b", shared("a") + shared("b") + judged("a"),
    ),
    "read before": ("PLN028", "x_ReLU", one("MVN", "x", "norm") + one("ReLU", "x", "x")),
}  # fmt: skip
RIGHT = {
    "one score": fc("a", "x", 1) + 'layer { name: "t" type: "Input" top: "t" input_param { shape { dim: [2, 1] } } }\n'
    + loss("SigmoidCrossEntropyLoss", "a").replace('"label"', '"t"'),
    "a probability for a loss that wants one": SCORES + one("Softmax", "a", "p") + loss("MultinomialLogisticLoss", "p"),
    "a second head of probabilities": SCORES + one("Softmax", "a", "p") + judged("a"),
    "a loss that does not count": SCORES + one("Softmax", "a", "p") + judged("p", "loss_weight: 0"),
    "dropout before the last layer": SCORES + one("Dropout", "a", "a") + fc("b", "a", 4) + judged("b"),
    "one zero layer": SCORES + fc("b", "a", 4, ZERO) + judged("b"),
    "zeros with a bias": fc("a", "x", 4, ZERO, "bias_filler { value: 1 }") + fc("b", "a", 4, ZERO) + judged("b"),
    "zeros behind a sigmoid": HIDDEN + one("Sigmoid", "a", "s") + fc("b", "s", 4, ZERO) + judged("b"),
    "zeros that do not learn": (HIDDEN + fc("b", "a", 4, ZERO)),
    "in place": one("ReLU", "x", "x") + one("Dropout", "x", "x") + one("Pooling", "x", "y", POOL),
    "a layer between two activations": (
        SCORES + one("ReLU", "a", "a") + fc("b", "a", 4) + one("ReLU", "b", "b") + fc("c", "b", 4) + judged("c")
    ),
    "relu6 as two": (
        SCORES + one("ReLU", "a", "a") + one("Clip", "a", "a", "clip_param { min: 0 max: 6 }") + judged("a")
    ),
    "stopped on purpose": (
        SCORES + one("StopGradient", "a", "s") + fc("b", "s", 4) + judged("b")
    ),
    "a frozen branch": SCORES + fc("b", "x", 4).replace("inner_", "param { lr_mult: 0 } param { lr_mult: 0 } inner_", 1)
    + judged("a"),
    "a head that counts": SCORES + fc("b", "x", 4) + judged("a") + judged("b").replace('"loss"', '"loss2"'),
    "read after": one("ReLU", "x", "x") + one("MVN", "x", "norm"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(name: str) -> None:
    code, layer, text = WRONG[name]
    found = [d for d in advice(text) if d.code.id in ADVICE]
    assert [d.code.id for d in found] == [code]
    assert found[0].severity == "warning"
    assert found[0].subject is not None
    assert found[0].subject.layer == layer
    assert found[0].span is not None
    assert found[0].help


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right(name: str) -> None:
    assert not [d.message for d in advice(RIGHT[name]) if d.code.id in ADVICE]


TRAIN_DATA = (
    'layer { name: "d" type: "Digits" top: "x" top: "label" %s digits_param { split: "train" batch_size: 2 } }\n'
)
RULE, FROZEN = "include { phase: TRAIN }", "param { lr_mult: 0 } param { lr_mult: 0 }"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TRAIN_DATA % RULE + SCORES, "the net has no loss"),
        (TRAIN_DATA % RULE + FLAT % "x" + judged("f"), "no layer of the net has parameters"),
        (TRAIN_DATA % RULE + SCORES.replace("inner", f"{FROZEN} inner") + judged("a"), "lr_mult: 0"),
        (TRAIN_DATA % RULE + SCORES + FLAT % "x" + judged("f"), "no loss depends on a layer that learns"),
        (TRAIN_DATA % "" + SCORES, ""),  # may be for prediction only
        (TRAIN_DATA % RULE + SCORES + judged("a"), ""),
    ],
)  # fmt: skip
def test_nothing_to_learn(text: str, said: str) -> None:
    found = [d.message for d in plan(loads(text), "TRAIN").warnings if d.code.id == "PLN025"]
    assert [said in message for message in found] == [True] * bool(said)


def test_a_solver_says_that_its_net_learns_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(TRAIN_DATA % "" + SCORES)
    solver = tmp_path / "solver.prototxt"
    solver.write_text(f'net: "{tmp_path}/net.prototxt" base_lr: 0.1 lr_policy: "multistep" gamma: 0.1 max_iter: 1')
    found = check(solver)
    assert [d.code.id for d in found] == ["SOL011", "PLN025"]
    assert "no stepvalue" in found[0].message
    assert "PLN025" in [d.code.id for d in Solver(solver).warnings]


def test_zeros_are_no_matter_once_weights_are_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        SMALL.replace('prefix: "small"', f'prefix: "{tmp_path}/small"')
        .replace("max_iter: 40", "max_iter: 1")
        .replace("val: 20", "val: 1")
    )
    hidden = fc("h", "data", 8, ZERO)
    text = (
        text.replace('name: "ip" type', "#")
        .replace("layer {\n  #", hidden + 'layer {\n  name: "ip" type')
        .replace('bottom: "data" top: "ip"', 'bottom: "h" top: "ip"')
        .replace('weight_filler { type: "xavier" }', "")
    )
    (tmp_path / "small.net").write_text(text)
    solver = Solver(tmp_path / "small.net")
    assert [d.code.id for d in solver.warnings] == ["PLN026"]
    solver.solve()
    again = Solver(tmp_path / "small.net", weights=[tmp_path / "small_iter_1.caffemodel"])
    assert not again.warnings
    resumed = Solver(tmp_path / "small.net")
    resumed.restore(tmp_path / "small_iter_1.solverstate")
    assert not resumed.warnings
    resumed.release()
    for more, said in (((), True), (("--snapshot", str(tmp_path / "small_iter_1.solverstate")), False)):
        cli(["train", str(tmp_path / "small.net"), "--stop-at", "2", *more], standalone_mode=False)
        assert ("PLN026" in capsys.readouterr().err) is said


@pytest.mark.parametrize("path", sorted((ROOT / "nets").glob("*.net")), ids=lambda p: p.stem)
def test_nothing_to_say_of_the_gallery(path: Path) -> None:
    assert not check(path)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('param { name: "v" }', "so it only costs time: its parameters learn in the layers that share them"),
        ("", "so of its parameters b/bias never change"),
        (None, "so its parameters never change"),
    ],
)
def test_parameters_that_are_shared_do_change(more: str | None, said: str) -> None:
    """Those of a layer that no loss depends on, with one that it does."""
    other = fc("b", "x", 4) if more is None else shared("b", more)
    text = shared("a", more or "") + other + judged("a")
    assert [said in d.message for d in advice(text) if d.code.id == "PLN035"] == [True]
