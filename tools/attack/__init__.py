"""Campaigns against netc, one a file: each makes many seeded inputs of a kind, and says what must hold of all of them.

    python -m tools.attack nets --count 5000 --seed 1

A campaign is a function `run(count, seed)` that returns a `Tally`. The same count and seed do the same. A short run of
each is in the suite (`tests/attack/`); the figures of long ones, with their commit, stand in docs/reliability.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SHOWN = 20  # failures that are printed whole


@dataclass
class Tally:
    """What a campaign did: counts by name, and for each failure a text from which it can be repeated."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def fail(self, text: str) -> None:
        self.failures.append(text)

    @contextmanager
    def attempt(self, text: str) -> Iterator[None]:
        """Count any exception that leaves the block as a failure, after `text`."""
        try:
            yield
        except Exception as error:
            self.fail(f"{text}\n{type(error).__name__}: {error}")

    @property
    def line(self) -> str:
        """The counts in the order in which they were first added, and the number of failures."""
        figures = [f"{number:,} {name}" for name, number in self.counts.items()]
        return ", ".join([*figures, f"{len(self.failures):,} failed"])
