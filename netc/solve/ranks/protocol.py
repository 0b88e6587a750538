"""What the solver knows of the processes that train with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from netc.layer import Array

T = TypeVar("T")


class Ranks(Protocol):
    """Processes that train one net together, as one of them sees them.

    Each method but `abort` is for all ranks at once: every rank calls the same ones in the same order, and one that
    does not leaves the others waiting. While a rank waits, signals of Python are handled, and cores are left to others.
    """

    @property
    def rank(self) -> int:
        """Which of them this is, from 0 on. Rank 0 prints and writes."""

    @property
    def size(self) -> int:
        """How many they are."""

    def broadcast(self, value: T, root: int = 0) -> T:
        """The value that rank `root` gives; those of the others are not looked at."""

    def gather(self, value: T) -> list[T]:
        """What every rank gives, in the order of the ranks; the same list for all of them."""

    def exchange(self, sent: Sequence[Array], received: Sequence[Array]) -> None:
        """Send `sent[r]` to rank r, and fill `received[r]` with what rank r sends here.

        Contiguous arrays; each as long as the one that it meets, and of its type. Empty ones are not sent. What a rank
        sends to itself is copied, unless both are the same array.
        """

    def barrier(self) -> None:
        """Wait until every rank is here."""

    def close(self) -> None:
        """Part in order. This process must end soon then, and nothing else may be asked of the ranks."""

    def abort(self, code: int) -> None:
        """End all ranks at once, wherever they are, with this exit code."""
