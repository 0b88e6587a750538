"""The frame of the campaigns."""

from __future__ import annotations

from tools.attack import Tally


def test_counts_and_failures() -> None:
    tally = Tally()
    for case in range(3):
        tally.add("nets")
        with tally.attempt(f"net {case}"):
            assert case != 1, "wrong"
    assert tally.line == "3 nets, 1 failed"
    assert tally.failures == ["net 1\nAssertionError: wrong\nassert 1 != 1"]
