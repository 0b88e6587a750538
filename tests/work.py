"""Work that is counted, not timed: what other programs do on the machine, and how fast it is, change no count."""

from __future__ import annotations

from cProfile import Profile
from types import TracebackType


class Calls:
    """Counts the calls of functions, Python's own ones too, in a `with` block.

    with Calls() as calls:
        parse(text)
    assert calls.count <= 10 * len(text)

    cProfile counts without calling Python for each one, which would take several times as long as what is counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self._profile = Profile()

    def __enter__(self) -> Calls:
        self._profile.enable()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._profile.disable()
        self.count += sum(entry.callcount for entry in self._profile.getstats())
