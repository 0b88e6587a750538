"""Diagnostics carry what they are about: nothing needs to be read out of a message."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from netc.api.definition import loads
from netc.api.planning import plan
from netc.errors import Diagnostic, NetError, Subject
from netc.layer import MISSING_FIELD

NETC = Path(__file__).parents[2] / "netc"
NET = """layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: [2, 3, 8, 8] }} }} }}
layer {{ name: "a): b\\"" type: "Convolution" bottom: "data" top: "c" convolution_param {{ {} }} }}
"""


def refused(fields: str) -> Diagnostic:
    with pytest.raises(NetError) as raised:
        plan(loads(NET.format(fields)), "TEST")
    return raised.value.diagnostics[0]


def test_a_refusal_says_which_layer_and_which_field() -> None:
    """A name that looks like the end of a message's beginning is only a name."""
    found = refused("kernel_size: 3")
    assert found.code is MISSING_FIELD
    assert found.subject == Subject('a): b"', "needs num_output, the number of output channels", "num_output")
    assert found.message == f'layer "a): b"" (Convolution): {found.subject.said}'
    assert found.help == "add `num_output: ...`"


def test_the_same_warning_of_layers_with_such_names_is_said_once() -> None:
    layers = "".join(
        f'layer {{ name: "{name}" type: "BatchNorm" bottom: "data" top: "{top}" }}\n'
        for name, top in (("one", "x"), ("two): ", "y"), ('\\"three', "z"))
    )
    warnings = plan(loads(NET.partition("\n")[0].format() + layers), "TEST").warnings
    (found,) = (each for each in warnings if each.code.id == "PLN020")
    assert found.notes[0].message == 'the same is true of two): , "three'


def test_no_message_is_read() -> None:
    """Nothing asks what a diagnostic's message or help begins with or contains."""
    reads = re.compile(r"\.(message|help)\.(partition|split|startswith|endswith|find|index|removeprefix)\b")
    for path in sorted(NETC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert not reads.search(ast.unparse(node.func)), path
            elif isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
                assert not re.search(r"\.(message|help)$", ast.unparse(node.comparators[0])), path
