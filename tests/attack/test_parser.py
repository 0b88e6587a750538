"""A short run of the campaign against the parser, and that it finds what is wrong."""

from __future__ import annotations

import pytest

from tools.attack import parser


def test_a_short_run() -> None:
    tally = parser.run(1500, 1)
    assert not tally.failures, "\n\n".join(tally.failures)
    assert sum(tally.counts.values()) == 1500
    assert sum(n for name, n in tally.counts.items() if name.endswith(" expanded")) > 80


@pytest.mark.parametrize("wrong", ["format_text", "write"])
def test_what_contradicts_itself_is_found(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign that cannot fail finds nothing: here a text changes each time it is formatted or written."""
    true, times = getattr(parser, wrong), iter(range(100))
    monkeypatch.setattr(parser, wrong, lambda *given: true(*given) + "#" * next(times))
    with pytest.raises(AssertionError):
        parser.look("a = ReLU(b)\nlet c = 1\n", "a.net", parser.known())
