"""Damaged nets end in diagnostics or a plan, soon: what tests/fuzz looks for at length, in short, and what it found."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from netc.catalogue import catalogue
from netc.errors import NetError
from netc.language import parse, read_text
from netc.lsp.analysis import analyse
from tests.fuzz.pipeline import WORDS, damaged

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
        start = time.process_time()
        for diagnostic in analyse(text, rng.choice(("a.prototxt", "a.net")), TYPES).diagnostics:
            diagnostic.render()
        assert time.process_time() - start < 2


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
    start = time.process_time()
    with pytest.raises(NetError):
        parse(text)
    assert time.process_time() - start < 4
