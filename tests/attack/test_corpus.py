"""A short run of the campaign with foreign and double names, on the project's own published nets."""

from __future__ import annotations

from pathlib import Path

from tools.attack.corpus import renamed, run

NETS = Path(__file__).parent.parent / "nets" / "published"


def test_no_traceback() -> None:
    tally = run(12, 1, NETS)
    assert not tally.failures, "\n\n".join(tally.failures)
    assert sum(tally.counts.values()) == 12


def test_names_are_foreign_and_double() -> None:
    import numpy as np  # noqa: PLC0415

    text = b'layer { name: "a" top: "a" }\nlayer { name: "b" bottom: "a" }\n'
    found = {renamed(text, np.random.default_rng(seed)) for seed in range(40)}
    assert any(max(data) > 127 for data in found)
    names = [[line.split(b'"')[1] for line in data.splitlines()] for data in found]
    assert any(len(set(pair)) == 1 for pair in names)
