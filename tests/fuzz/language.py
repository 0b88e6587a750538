"""`python -m tests.fuzz.language [-runs=1000000] [CORPUS]`: coverage-guided fuzzing of the language, by hand.

Needs atheris, which the tests do not. An input must end in a document or in `NetError` within five million calls and
512 MB; what is made of it must be read again as the same. docs/diagnostics/robustness.md says how it was run last.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports():
    from netc.errors import NetError
    from netc.language import expand, expansion, formatter, mistakes, parse, write
    from netc.language.codes import TOO_LARGE
    from netc.language.format import format_text

from tests.language.vocabulary import TestedLayers
from tests.work import Calls

LAYERS = TestedLayers()
LOADED = (expansion, formatter, mistakes)  # imported late: only what is imported above is instrumented


MOST_CALLS = 5_000_000
"""libFuzzer's own limit counts the time in which other programs run, too: it is for what hangs."""


def one_input(data: bytes) -> None:
    """One input, within its calls."""
    with Calls() as calls:
        look(data)
    assert calls.count < MOST_CALLS


def look(data: bytes) -> None:
    """Parse, expand, format and write one input; the first byte chooses between plain text and statements."""
    text = data[1:].decode("utf-8", "surrogateescape")
    path = "fuzz.prototxt" if data[:1] < b"\x80" else "fuzz.net"
    try:
        document = parse(text, path)
        made = format_text(text, path)
    except NetError as error:
        str(error)
        return
    assert format_text(made, path) == made
    try:
        expanded = write(expand(document, LAYERS).block)
    except NetError as error:
        str(error)
        return
    try:
        again = parse(expanded, "again.prototxt")
    except NetError as error:  # a small text may make a large one
        assert [each.code for each in error.diagnostics] == [TOO_LARGE]  # noqa: PT017
        return
    assert write(again.block) == expanded
    assert write(expand(parse(made, path), LAYERS).block) == expanded


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=600", "-rss_limit_mb=512", "-max_len=600"], one_input)
    atheris.Fuzz()
