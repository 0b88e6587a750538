"""`check`: one mistake is one diagnostic, at its place, whatever else follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.api.jobs import load_job
from netc.api.planning import check
from netc.errors import Diagnostic, NetError

TWO_PHASES = """layer { name: "train" type: "DummyData" top: "x" include { phase: TRAIN }
  dummy_data_param { shape { dim: [8, 3, 6, 6] } } }
layer { name: "test" type: "DummyData" top: "x" include { phase: TEST }
  dummy_data_param { shape { dim: [2, 3, 6, 6] } } }
"""
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 3, 6, 6] } } }\n'
INPUT_DIM = 'input: "data"\niput_dim: 1\ninput_dim: 3\ninput_dim: 6\ninput_dim: 6\n'
READER = 'layer {{ name: "{0}" type: "TanH" bottom: "nothing" top: "{0}" }}\n'
DATA = 'layer { name: "y" type: "TanH" bottom: "data" top: "x" }\n'
TEST_ONLY = 'layer { name: "z" type: "TanH" bottom: "x" top: "z" include { phase: TEST } }'
V0 = """input: "data" input_dim: 1 input_dim: 3 input_dim: 6 input_dim: 6
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "dat" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 2 kernelsize: 3 } bottom: "padded" top: "conv" }
"""


def found(text: str, folder: Path, name: str = "net.prototxt") -> tuple[Diagnostic, ...]:
    path = folder / name
    path.write_text(text)
    try:
        return check(path)
    except NetError as error:
        return error.diagnostics


def places(diagnostics: tuple[Diagnostic, ...]) -> list[tuple[str, int, int]]:
    return [(d.code.id, d.span.line, d.span.column) for d in diagnostics if d.span]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            TWO_PHASES + 'layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 9 } }',
            ("LAY005", 5, 85),
        ),
        (INPUT + "".join(READER.format(name) for name in "abcde"), ("GRA003", 2, 40)),
        (INPUT_DIM + 'layer { name: "a" type: "TanH" bottom: "data" top: "a" }', ("SCH001", 2, 1)),
        (V0, ("GRA003", 2, 63)),
        (V0.replace('"dat"', "17"), ("SCH003", 2, 63)),
        (INPUT + DATA.replace('"x"', "17") + READER.format("z").replace('"nothing"', '"x"'), ("SCH003", 2, 52)),
        (INPUT + DATA.replace('"x"', "x") + READER.format("z").replace('"nothing"', '"x"'), ("SCH003", 2, 52)),
        (TWO_PHASES.replace("phase: TEST }", "phase: TSET }") + TEST_ONLY, ("SCH005", 3, 66)),
    ],
    ids=[
        "in two phases",
        "read by several",
        "an input's size",
        "before a padding layer",
        "in one",
        "a number",
        "a top",
        "a rule",
    ],
)
def test_one_mistake_is_one_diagnostic(text: str, place: tuple[str, int, int], tmp_path: Path) -> None:
    assert places(found(text, tmp_path)) == [place]


def test_the_other_readers_of_an_unknown_blob_are_noted(tmp_path: Path) -> None:
    (said,) = found(INPUT + "".join(READER.format(name) for name in "abcdef"), tmp_path)
    assert [(note.message, note.span.line if note.span else 0) for note in said.notes] == [
        ('layer "b" reads it, too', 3),
        ('layer "c" reads it, too', 4),
        ('layer "d" reads it, too', 5),
        ("so do 2 more", 0),
    ]


@pytest.mark.parametrize(
    ("used", "written", "meant"),
    [("ReLU", "eLU", "ReLU"), ("ReLU", "EeLU", "ReLU"), ("ELU", "eLU", "ELU"), ("ELU", "RELU", "ReLU")],
)
def test_of_equal_guesses_the_type_that_the_net_uses(used: str, written: str, meant: str, tmp_path: Path) -> None:
    layers = (f'layer {{ name: "{t}" type: "{t}" bottom: "data" top: "{t}" }}\n' for t in (used, written))
    (said,) = found(INPUT + "".join(layers), tmp_path)
    assert said.help == f'did you mean "{meant}"?'


SCORES = (
    INPUT
    + """layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "score" inner_product_param { num_output: 5 } }
"""
)


@pytest.mark.parametrize(
    ("layer", "code", "column", "help"),
    [
        ('type: "ReLU" bottom: "fc" top: "y"', "GRA003", 40, 'the blob that it makes is called "score"'),
        ('type: "ReLU" top: "y"', "GRA005", 25, 'add `bottom: "..."`'),
        ('type: "ReLU" bottom: "score"', "GRA005", 25, 'add `top: "..."`'),
        ('type: "Accuracy" bottom: "score" top: "y"', "GRA005", 44, "add the labels"),
        ('type: "EuclideanLoss" bottom: "score" bottom: "label" top: "y"', "LAY008", 49, "use SoftmaxWithLoss"),
        ('type: "SOFTMAX_LOSS" bottom: "score" bottom: "label" top: "y"', "GRA001", 25, '"SoftmaxWithLoss"'),
        (
            'type: "InnerProduct" bottom: "data" top: "y" convolution_param { num_output: 3 }',
            "LAY006",
            1,
            "add `inner_product_param { num_output: ... }`; InnerProduct does not read `convolution_param`",
        ),
        (
            'type: "Convolution" bottom: "data" top: "y" convolution_param { kernel_size: 3 }',
            "LAY006",
            1,
            "add `num_output: ...`",
        ),
    ],
)
def test_help_that_says_what_to_write(layer: str, code: str, column: int, help: str, tmp_path: Path) -> None:
    (said,) = found(f'{SCORES}layer {{ name: "x" {layer} }}\n', tmp_path)
    assert places((said,)) == [(code, 4, column)]
    assert help in (said.help or "")


def test_half_of_a_pair_of_kernel_fields(tmp_path: Path) -> None:
    layer = 'layer { name: "x" type: "Convolution" bottom: "data" top: "y" convolution_param { %s } }'
    (said,) = found(INPUT + layer % "num_output: 2 kernel_w: 3", tmp_path)
    assert places((said,)) == [("LAY007", 2, 107)]
    assert said.message.endswith("needs kernel_h as well, or kernel_size instead of kernel_w")


def test_a_solver_does_not_suggest_itself(tmp_path: Path) -> None:
    (said,) = found('net: "m.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1', tmp_path, "n.prototxt")
    assert (said.code.id, said.help) == ("SOL002", None)


def test_a_file_that_only_declares_is_no_empty_net(tmp_path: Path) -> None:
    assert found("let a = 1\ndef f(x) -> y { y = ReLU(x) }\n", tmp_path, "blocks.net") == ()
    assert [d.code.id for d in found("# nothing\n", tmp_path, "empty.net")] == ["GRA010"]


def test_a_solver_file_may_hold_statements(tmp_path: Path) -> None:
    """Its fields say that it is a solver, whatever stands between them."""
    (tmp_path / "net.prototxt").write_text(INPUT)
    text = 'let rate = 0.1\nnet: "net.prototxt"\nbase_lr: rate\nlr_policy: "fixed"\nmax_iter: 10 * 2\n'
    assert found(text, tmp_path, "solver.net") == ()
    assert load_job(tmp_path / "solver.net").record.base_lr == 0.1
    assert places(found(text + "gamma: [rate, true] * 2\n", tmp_path, "solver.net")) == [("SYN033", 6, 8)]


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("Conv2D", 'did you mean "Convolution"?'),
        ("MaxPool", 'did you mean "Pooling" (pool: MAX is its default)?'),
        ("merge", 'did you mean "Concat" or "Eltwise"?'),
        ("Convolutoin", "did you mean `Convolution`?"),
    ],
)
def test_what_others_call_a_layer_in_a_statement(name: str, help: str, tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(f"x = Input() {{ shape {{ dim: [1, 3, 8, 8] }} }}\ny = {name}(x)\n")
    with pytest.raises(NetError) as caught:
        check(path)
    (said,) = caught.value.diagnostics
    assert (said.code.id, said.help) == ("SYN045", help)
    assert said.span is not None
    assert said.span.source.text[said.span.start : said.span.end] == name
