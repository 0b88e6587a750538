"""`python -m tests.fuzz.language [-runs=1000000] [CORPUS]`: coverage-guided fuzzing of the language, by hand.

Needs atheris, which the tests do not. An input must end in a document or in `NetError` within five million calls and
512 MB; what is made of it must be read again as the same. docs/diagnostics/robustness.md says how it was run last.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports():
    from netc.language import expansion, formatter, mistakes
    from tools.attack.parser import known, look

from tests.work import Calls

LAYERS = known()
LOADED = (expansion, formatter, mistakes)  # imported late: only what is imported above is instrumented


MOST_CALLS = 5_000_000
"""libFuzzer's own limit counts the time in which other programs run, too: it is for what hangs."""


def one_input(data: bytes) -> None:
    """One input, within its calls; its first byte chooses between plain text and statements."""
    text = data[1:].decode("utf-8", "surrogateescape")
    with Calls() as calls:
        look(text, "fuzz.prototxt" if data[:1] < b"\x80" else "fuzz.net", LAYERS)
    assert calls.count < MOST_CALLS


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=600", "-rss_limit_mb=512", "-max_len=600"], one_input)
    atheris.Fuzz()
