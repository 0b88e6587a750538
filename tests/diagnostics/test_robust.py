"""Damaged nets end in diagnostics or a plan, soon: what tests/fuzz looks for at length, in short, and what it found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from netc.catalogue import catalogue
from netc.errors import NetError
from netc.language import parse, read_text
from netc.lsp.analysis import analyse
from tests.fuzz.pipeline import MOST_CALLS, WORDS, damaged
from tests.work import Calls

TYPES = catalogue()
NETS = sorted((Path(__file__).parent / "nets").glob("*.prototxt"))

FOUND = [
    'a { b: c ? "${d" : " }\nfc1000 = e',
    "a: x ? \"y\" : z:\nb: 1",
    'a: "x\\',
    'a < b: "c" }" >',
    'name: "a }}\nlayer { name: b" }',
    "layer { lr_mult: 1 convolution_param { lr_mult: 1 decay_mult: 2 } }",
    "train x, y = z",
    "def f(x) -> y\n  y = ReLU(x)\n}",
    "{ } } : \"\" '",
    '"a" : b ${ "c',
]  # fmt: skip
"""What once ended in something else than a diagnostic, and its likes."""


def test_damaged_nets() -> None:
    rng, texts = random.Random(7), [read_text(path) for path in NETS]
    for _ in range(200):
        text = damaged(rng.choice(texts), WORDS, rng)
        with Calls() as calls:
            for diagnostic in analyse(text, rng.choice(("a.prototxt", "a.net")), TYPES).diagnostics:
                diagnostic.render()
        assert calls.count < MOST_CALLS


@pytest.mark.parametrize("text", FOUND)
@pytest.mark.parametrize("path", ["a.prototxt", "a.net"])
def test_what_was_found_before(text: str, path: str) -> None:
    for diagnostic in analyse(text, path, TYPES).diagnostics:
        assert diagnostic.render()


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "a" } ' * 20_000 + "layer {",
        "layer {\n" * 90 + 'name: "a"\n' * 20_000,
        'a: "b" ' * 50_000 + '"',
        "{" * 100_000,
        "a { " * 100_000,
        "}" * 100_000,
        '"' * 100_000,
        "a = " * 50_000,
        "x\n" * 100_000,
    ],
    ids=["layers", "open", "quotes", "braces", "blocks", "closers", "strings", "equals", "names"],
)
def test_long_mistakes_take_linear_time(text: str) -> None:
    with Calls() as calls, pytest.raises(NetError):
        parse(text)
    assert calls.count < 40 * len(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('input: "a" input_shape { ' + "dim: 2 " * 20_000 + "}", "PLN002"),
        ('input: "a" input_shape { ' + "dim: 1 " * 33 + '} layer { type: "ReLU" bottom: "a" top: "a" }', "PLN002"),
        ('input: "a" input_shape { dim: 1 } layer { type: "Reshape" bottom: "a" top: "b" reshape_param { shape { '
         + "dim: 9000000000000000000 " * 1000 + "} } }", "LAY112"),
        ("".join(f'layer {{ name: "x{i}" type: "ReLU" bottom: "a{i}" top: "b{i}" }}\n' for i in range(4000)), "GRA003"),
        ("".join(f'layer {{ name: "x{i}" type: "RelU{i}" bottom: "a" top: "b" }}\n' for i in range(4000)), "GRA001"),
        ("".join(f"foo{i}: 1\n" for i in range(20_000)), "SCH001"),
        ('layer { name: "x" type: "' + "ReLU" * 100_000 + '" bottom: "a" top: "b" }', "GRA001"),
        ('layer { name: "x" type: "DummyData" top: "a" dummy_data_param { num: 0x' + "f" * 10_000 + " } }", "SCH004"),
    ],
    ids=["axes", "33 axes", "reshape", "bottoms", "types", "fields", "a long type", "a long number"],
)  # fmt: skip
def test_large_wrong_nets(text: str, code: str) -> None:
    with Calls() as calls:
        found = analyse(text, "a.prototxt", TYPES).diagnostics
        assert all(diagnostic.render() for diagnostic in found)
    assert found[0].code.id == code
    assert calls.count < MOST_CALLS


def test_a_repair_makes_no_net_of_what_is_none() -> None:
    """A comma was put before the brace without a word, and the field was lost."""
    for path in ("a.prototxt", "a.net"):
        found = analyse("b: [c, { t }d)\n", path, TYPES).diagnostics
        assert found[0].code.id in ("SYN001", "SYN012")
