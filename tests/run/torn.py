"""An interrupt at a chosen instruction: what a signal's handler does by chance, at every place in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any


class Torn(BaseException):
    """Stands for KeyboardInterrupt."""


class Tracer:
    """Raises `Torn` before instruction number `at` of the functions in these files."""

    def __init__(self, files: Iterable[str], at: int) -> None:
        self.files = tuple(files)
        self.at = at
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(self.files):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.count += 1
            if self.count == self.at:
                sys.settrace(None)
                raise Torn
        return self


def run(call: Callable[[], object], files: Iterable[str], at: int) -> tuple[bool, int]:
    """Whether the call was torn, and how many instructions it had run by then."""
    tracer, before = Tracer(files, at), sys.gettrace()
    sys.settrace(tracer)
    try:
        call()
    except Torn:
        return True, tracer.count
    finally:
        sys.settrace(before)
    return False, tracer.count


def everywhere(call: Callable[[], object], files: Iterable[str], step: int = 1, first: int = 1) -> Iterator[int]:
    """Run the call again and again, torn at each instruction from `first` in steps; yields after each.

    The last run ends untorn.
    """
    at, torn = first, True
    while torn:
        torn, _ = run(call, files, at)
        yield at
        at += step
