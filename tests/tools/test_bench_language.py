"""The bench of reading nets: what it times gives the same net, and its table has every contender."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.internal import api_implementation

from netc.api.definition import Definition
from netc.language import Document
from netc.plan.model import Plan
from tools.bench.language import NAMES, PROTOBUF, STAGES, contender, table

NET = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }\n'


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return path


def test_what_is_timed(net: Path) -> None:
    kinds = [type(contender(name, net)()) for name in STAGES]
    assert kinds == [Document, Definition, Plan]
    message = contender(PROTOBUF[api_implementation.Type()], net)()
    assert getattr(message, "layer")[0].name == "x"  # noqa: B009 - a generated class


def test_a_process_with_other_messages_is_refused(net: Path) -> None:
    other = next(name for kind, name in PROTOBUF.items() if kind != api_implementation.Type())
    with pytest.raises(SystemExit, match="protobuf is running on"):
        contender(other, net)


def test_the_table() -> None:
    lines = table({name: [10.0 * i, 20.0 * i, 30.0 * i] for i, name in enumerate(NAMES, 1)})
    assert lines[2:] == [
        "| netc: parse | 20 \N{PLUS-MINUS SIGN} 10 | 0.33 |",
        "| netc: parse and type | 40 \N{PLUS-MINUS SIGN} 20 | 0.67 |",
        "| netc: parse, type and plan | 60 \N{PLUS-MINUS SIGN} 30 | 1.00 |",
        "| protobuf text_format.Parse (upb) | 80 \N{PLUS-MINUS SIGN} 40 | 1.33 |",
        "| protobuf text_format.Parse (Python messages) | 100 \N{PLUS-MINUS SIGN} 50 | 1.67 |",
    ]
