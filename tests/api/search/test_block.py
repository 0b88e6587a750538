"""The search block: its names, its ranges, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import netc
from netc.api.search.written import Variable, variables_of
from netc.errors import Diagnostic, NetError
from netc.schema.record import Record

NET = """
let width = 8
let kind = "SGD"
train { data, label = Digits() { split: "train" batch_size: 32 } }
test { data, label = Digits() { split: "test" batch_size: 100 } }
h = InnerProduct(data) { num_output: width weight_filler { type: "xavier" } }
h = ReLU(h)
score = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(score, label) }
loss = SoftmaxWithLoss(score, label)
solver {
  base_lr: 0.1 type: kind lr_policy: "fixed" max_iter: 6 random_seed: 1 test_iter: 2 test_interval: 3 momentum: 0.5
}
"""


def record(block: str) -> Record:
    return netc.loads(f"{NET}search {{ {block} }}").record.search


def variables(block: str) -> dict[str, Variable]:
    return {v.name: v for v in variables_of(record(block))}


def found(tmp_path: Path, block: str) -> list[Diagnostic]:
    file = tmp_path / "a.net"
    file.write_text(f"{NET}search {{ {block} }}")
    try:
        return list(netc.check(file))
    except NetError as error:
        return list(error.diagnostics)


def test_names_are_fields_paths_and_vary() -> None:
    """A list is a choice; blocks make a path; ranges say their ends, and whole numbers are told by how they look."""
    made = variables("""
      base_lr: log(1e-3, 0.1)  width: between(4, 2 * 8)  kind: ["SGD", "Adam"]
      solver { momentum: between(0, 0.9) }
      h { weight_filler { type: ["xavier", "msra"] } }
      vary { name: "score.num_output" among: [10, 12] }
      vary { name: "solver.max_iter" log: [10, 100] }
      best: "accuracy"
    """)
    assert list(made) == [
        "base_lr", "width", "kind", "solver.momentum", "h.weight_filler.type", "score.num_output", "solver.max_iter"
    ]  # fmt: skip
    lr, width, momentum = made["base_lr"], made["width"], made["solver.momentum"]
    assert (lr.low, lr.high, lr.log, lr.whole) == (1e-3, 0.1, True, False)
    assert (width.low, width.high, width.log, width.whole) == (4, 16, False, True)
    assert (momentum.low, momentum.high, momentum.whole) == (0, 0.9, False)
    assert made["kind"].among == ("SGD", "Adam")
    assert made["score.num_output"].among == ("10", "12")
    assert made["solver.max_iter"].whole


def test_ranges_are_values_of_the_language() -> None:
    text = f'let rate = log(1e-3, 1e-2)\n{NET}search {{ base_lr: rate width: [width * 2, width] best: "accuracy" }}'
    got = {v.name: v for v in variables_of(netc.loads(text).record.search)}
    assert got["base_lr"].log
    assert got["width"].among == ("16", "8")


@pytest.mark.parametrize(
    ("block", "message", "at"),
    [
        ('best: "accuracy"', "nothing varies", "search"),
        ("width: [8, 16]", "`best` is missing", "search"),
        (
            'width: [8, 16] best: "acuracy"',
            '"acuracy" is no output of the tests; there are accuracy, loss',
            '"acuracy"',
        ),
        ('width: [8] width: [9] best: "accuracy"', "`width` varies 2 times", "width"),
        ('base_lr: between(1.0, 0.5) best: "accuracy"', "`base_lr`: 1 is not below 0.5", "base_lr"),
        ('base_lr: log(0.0, 0.5) best: "accuracy"', "both ends are above 0, not 0", "base_lr"),
        ('vary { name: "width" } best: "accuracy"', "`width` has no values; it needs a list", '"width"'),
        ('vary { name: "width" log: [1] } best: "accuracy"', "log has two ends, not 1", '"width"'),
        ('base_lr: log(1e-3, 0.1) method: GRID best: "accuracy"', "GRID goes through lists of values", "base_lr"),
        ('width: [8] trials: 0 best: "accuracy"', "there must be at least one", "0"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, block: str, message: str, at: str) -> None:
    first = next(d for d in found(tmp_path, block) if d.code.id == "SOL051")
    assert message in first.message
    assert first.span is not None
    text = first.span.source.text[first.span.start : first.span.end]
    assert text.startswith(at), text


@pytest.mark.parametrize(
    ("block", "code", "at"),
    [
        ('widht: [8, 16] best: "accuracy"', "SYN051", "widht"),
        ('solver { momentun: [0.5] } best: "accuracy"', "SCH001", "momentun"),
        ('momentum: ["a"] best: "accuracy"', "SCH003", "momentum"),
        ('base_lr: log(1e-3) best: "accuracy"', "SYN033", "log(1e-3)"),
        ('width: [8] method: GIRD best: "accuracy"', "SCH005", "GIRD"),
        ('width: [{ a: 1 }] best: "accuracy"', "SCH003", "{ a: 1 }"),
    ],
)
def test_names_and_values_are_looked_up(tmp_path: Path, block: str, code: str, at: str) -> None:
    errors = [d for d in found(tmp_path, block) if d.severity == "error"]
    first = errors[0]
    assert first.code.id == code, [d.render() for d in errors]
    assert first.span is not None
    assert first.span.source.text[first.span.start : first.span.end].startswith(at), first.render()


def test_a_good_block_is_checked_without_a_word(tmp_path: Path) -> None:
    assert found(tmp_path, 'base_lr: log(1e-3, 1e-1) width: [8, 16] trials: 3 best: "accuracy" method: TPE') == []


def test_numbers_are_written_short_and_stay_inside() -> None:
    made = variables('base_lr: log(1e-3, 0.1) width: between(4, 16) momentum: between(0.1234564, 0.5) best: "accuracy"')
    assert made["base_lr"].text(0.0123456789) == "0.0123457"
    assert made["base_lr"].text(5) == "0.1"
    assert made["momentum"].text(0.12) == "0.1234564"
    assert made["width"].text(15.7) == "16"
    assert made["width"].text(16.4999) == "16"


LAYERS, _, FIELDS = NET.partition("solver {")
SOLVER = FIELDS.rstrip().removesuffix("}")
SEARCH = 'search { base_lr: [0.1, 0.2] width: [8, 16] best: "accuracy" %s }'


def solver_file(tmp_path: Path, more: str = "", net: str = "") -> Path:
    """A solver of its own, without the statements of the net, and that net."""
    (tmp_path / "net.net").write_text(LAYERS + net)
    file = tmp_path / "solver.prototxt"
    file.write_text('net: "net.net"' + SOLVER.replace("kind", '"SGD"') + more)
    return file


@pytest.mark.parametrize("place", ["in the solver's file", "in its net", "in the net's own solver"])
def test_a_block_may_stand_in_a_solver(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written, plain = SEARCH % "method: GRID trials: 2", SEARCH.replace("[0.1, 0.2]", "{ among: [0.1, 0.2] }")
    plain = plain.replace("[8, 16]", "{ among: [8, 16] }") % "method: GRID trials: 2"
    if place == "in the net's own solver":
        file = tmp_path / "a.net"
        file.write_text(NET.rstrip().removesuffix("}") + written + "}")
    else:
        own = place == "in the solver's file"
        file = solver_file(tmp_path, plain if own else "", "" if own else written)
    assert netc.check(file) == ()
    found = netc.search(file)
    assert [t.settings for t in found.trials] == [{"base_lr": "0.1", "width": w} for w in ("8", "16")]
    assert all(t.value is not None for t in found.trials)


def test_a_net_and_its_solver_have_one_block(tmp_path: Path) -> None:
    block = SEARCH.replace("[0.1, 0.2]", "{ among: 0.1 }").replace("[8, 16]", "{ among: 8 }") % ""
    file = solver_file(tmp_path, block, block)
    for go in (netc.check, netc.search):
        with pytest.raises(NetError, match="the net and its solver both have a search block") as caught:
            go(file)
        (said,) = caught.value.diagnostics
        assert said.code.id == "SOL051"
        assert said.span is not None
        assert said.span.source.path == str(file)


def test_names_of_a_solvers_block_are_those_of_its_nets(tmp_path: Path) -> None:
    for block, code, at in (
        ("hight { among: [1, 2] }", "SYN051", "hight"),
        ('base_lr { among: "x" }', "SCH003", "base_lr"),
    ):
        file = solver_file(tmp_path, f'search {{ {block} best: "acuracy" }}')
        with pytest.raises(NetError) as caught:
            netc.check(file)
        found = {d.code.id: d.span for d in caught.value.diagnostics}
        assert found.keys() == {code, "SOL051"}, caught.value
        for span, text in ((found[code], at), (found["SOL051"], '"acuracy"')):
            assert span is not None
            assert span.source.path == str(file)
            assert text in span.source.text[span.start : span.end]


def test_a_stage_has_no_search(tmp_path: Path) -> None:
    file = solver_file(tmp_path, 'stage { max_iter: 3 search { base_lr { among: "0.1" } best: "accuracy" } }')
    with pytest.raises(NetError, match="SOL030"):
        netc.check(file)


def test_blocks_of_the_net_are_refused_in_a_solvers_file(tmp_path: Path) -> None:
    for block, said in (
        ('generate { from: "prob" into: "x" }', "it stands in the net's file"),
        ("solver { base_lr: 1 }", "stand in its file, or in its block, as they are"),
    ):
        with pytest.raises(NetError, match=said) as caught:
            netc.check(solver_file(tmp_path, block))
        assert [d.code.id for d in caught.value.diagnostics] == ["SCH001"]


def test_a_solver_block_that_is_not_used_is_said(tmp_path: Path) -> None:
    file = solver_file(tmp_path, "", "solver { base_lr: 1 max_iter: 1 }")
    (said,) = netc.check(file)
    assert (said.code.id, said.severity) == ("SOL054", "warning")
    assert said.span is not None
    assert said.span.source.path.endswith("net.net")
