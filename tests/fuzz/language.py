"""`python -m tests.fuzz.language [-runs=1000000] [CORPUS]`: coverage-guided fuzzing of the language, by hand.

Needs atheris, which the tests do not. An input must end in a document or in `NetError` within two seconds.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports():
    from netc.errors import NetError
    from netc.language import expand, parse, write
    from netc.language.format import format_text


def one_input(data: bytes) -> None:
    """Parse, expand, format and write one input; the first byte chooses between plain text and statements."""
    text = data[1:].decode("utf-8", "surrogateescape")
    path = "fuzz.prototxt" if data[:1] < b"\x80" else "fuzz.net"
    try:
        document = parse(text, path)
        expanded = write(expand(document).block)
        made = format_text(text, path)
    except NetError as error:
        str(error)
        return
    assert write(parse(expanded, "again.prototxt").block) == expanded
    assert format_text(made, path) == made


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=2", "-rss_limit_mb=512", "-max_len=4096"], one_input)
    atheris.Fuzz()
