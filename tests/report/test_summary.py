"""The table of `netc summary`: nets of the gallery as text at three widths, and what must hold at any width."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

import netc
from netc.plan.counts import count_net
from netc.plan.model import Plan
from netc.report import summary
from netc.report.columns import Column, fitted, middle_cut
from netc.report.fold import folded

ROOT = Path(__file__).parents[2]
GALLERY = sorted((ROOT / "nets").glob("*.net"))
FIXTURES = Path(__file__).parent / "fixtures"
NUMBER = re.compile(r"\d[\d,.]*( [kMGTP])?|\d+x[\dx]+|scalar|all|")


@cache
def planned(path: Path) -> Plan:
    return netc.plan(netc.load(path), "TEST")


def shown(plan: Plan, width: int, expand: bool = False) -> list[str]:
    return [line.plain for line in summary.table(plan, width, expand)]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_gallery(width: int, expected: Callable[[Path, str], None]) -> None:
    lines = [line for path in GALLERY for line in (*shown(planned(path), width), *summary.totals(planned(path)), "")]
    assert [line for line in lines if len(line) > width] == []
    expected(FIXTURES / f"summary_{width}.txt", "\n".join(lines))


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("width", [20, 47, 60, 80, 100])
def test_no_number_is_cut(width: int, expand: bool) -> None:
    for path in GALLERY:
        plan = planned(path)
        cells = summary._columns(plan, summary._rows(plan, expand))
        for column in fitted(cells, width):
            if column.heading in ("shape", "parameters", "multiply-adds", "sees"):
                assert all(NUMBER.fullmatch(part) for cell in column.cells for part in cell.split("\n")), column
                assert any(column.cells)


def test_every_layer_is_in_one_group() -> None:
    for path in GALLERY:
        plan = planned(path)
        assert [i for group in folded(plan) for i in group.layers] == [*range(len(plan.graph.nodes))]


def test_what_repeats_is_folded() -> None:
    groups = folded(planned(ROOT / "nets/resnet152.net"))
    assert [(g.composite, g.repeats) for g in groups if g.composite == "unit"] == [
        ("unit", n) for n in (1, 2, 1, 7, 1, 35, 1, 2)
    ]
    assert len({len(g.last_run) for g in groups if g.repeats > 1}) == 1


def test_two_runs_in_one_text_are_two_groups() -> None:
    """One line of a loop makes both; what they give has another size."""
    text = (
        "def block(x; n) -> y { y = Convolution(x) { num_output: n kernel_size: 3 pad: 1 stride: n }  y = ReLU(y) }\n"
        "x = Input() { shape { dim: [1, 3, 64, 64] } }\nfor n in [1, 1, 2] { x = block(x) { n: n } }\nSilence(x)"
    )
    groups = folded(netc.plan(netc.loads(text), "TEST"))
    assert [(g.composite, g.repeats, len(g.layers)) for g in groups if g.composite] == [
        ("block", 2, 4),
        ("block", 1, 2),
    ]


def test_totals_tell_what_is_learned() -> None:
    text = (
        "x = Input() { shape { dim: [4, 3] } }\n"
        "y = InnerProduct(x) { num_output: 5 param { lr_mult: 0 } param { lr_mult: 1 } }\n"
        "z = BatchNorm(y)\n"
    )
    assert summary.totals(netc.plan(netc.loads(text), "TEST")) == [
        "parameters: 31 (124 B): 5 learned, 15 frozen, 11 statistics",
        "multiply-adds: 15 for each of 4, 60 in all",
    ]


def test_csv_and_markdown_say_the_same() -> None:
    plan = planned(ROOT / "nets/googlenet.net")
    rows = list(csv.DictReader(StringIO(summary.csv(plan))))
    assert len(rows) == len(plan.graph.nodes)
    assert sum(int(row["multiply-adds"] or 0) for row in rows) == count_net(plan).macs
    lines = summary.markdown(plan, expand=True).splitlines()
    assert len(lines) == len(rows) + 2
    assert {line.count(" | ") for line in lines[2:]} == {6}


def test_columns_go_in_their_order() -> None:
    columns = [
        Column("name", ["a" * 40, "b"], name=True),
        Column("first", ["12345678"], dropped=1),
        Column("second", ["123,456"], right=True, short=["123 k"], dropped=2),
        Column("never", ["123456"]),
    ]
    headings = {w: [c.heading for c in fitted(columns, w)] for w in (80, 50, 36, 25)}
    assert headings == {
        80: ["name", "first", "second", "never"],
        50: ["name", "first", "second", "never"],
        36: ["name", "second", "never"],
        25: ["name", "never"],
    }
    assert fitted(columns, 80)[2].cells == ["123,456"]
    assert fitted(columns, 50)[2].cells == ["123 k"]


def test_both_ends_of_a_name_stay() -> None:
    assert middle_cut("inception_3a/output", 19) == "inception_3a/output"
    assert middle_cut("inception_3a/output", 11) == "incep…utput"
