"""The trials of a search as lines of JSON: the first line says which search it is, then a line for each trial.

A line is appended when its trial has ended, by one write. One that a kill has cut is taken out when the search goes on,
and its trial runs again. Nothing in the file depends on the clock, so a search that was stopped ends with the same one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from netc import files
from netc.api.metrics import NOT_WRITTEN, finite
from netc.api.search.codes import OTHER_SEARCH
from netc.errors import Diagnostic, NetError
from netc.schema.names import json_in_utf8


@dataclass(frozen=True)
class Trial:
    """One trial, by its number from 1 on: its settings, and what came of it.

    value: of the output that says how good it is; None if the run failed (`error` says why) or it is not finite.
    outputs: of the last test. weights: the file with them, where they were the best so far. curve: (iterations, value)
    of that output, for each test.
    """

    trial: int
    settings: Mapping[str, str]
    value: float | None = None
    outputs: Mapping[str, object] = field(default_factory=dict)
    loss: float | None = None
    iterations: int = 0
    weights: str | None = None
    error: str | None = None
    curve: tuple[tuple[int, float], ...] = ()


class Results:
    """The file of a search.

    trials: those that it holds. Raises NetError: SOL052 if it is of another search, RUN040 if it cannot be written.
    """

    def __init__(self, path: Path, head: Mapping[str, object]) -> None:
        self.path = path
        first = _line({"kind": "search", **head})
        with _written(path):
            lines = _whole_lines(path)
            if lines and lines[0] != first:
                message = f"{path} holds the results of another search"
                raise NetError(Diagnostic(OTHER_SEARCH, message, help=OTHER_SEARCH.fix))
            self.trials = [trial for line in lines[1:] if (trial := _trial(line)) is not None]
            files.write_bytes(path, b"".join((first, *map(_of, self.trials))))

    def append(self, trial: Trial) -> None:
        """Add a trial that has ended. Raises NetError(RUN040)."""
        with _written(self.path):
            descriptor = files.open_to_append(self.path)
            try:
                os.write(descriptor, _of(trial))
            finally:
                os.close(descriptor)
        self.trials.append(trial)


class _written:  # noqa: N801 - a context manager, called like a function
    """Turns what the system says into NetError(RUN040)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            reason = (error.strerror or str(error)).lower()
            raise NetError(Diagnostic(NOT_WRITTEN, f"{self.path} cannot be written: {reason}")) from None


def _of(trial: Trial) -> bytes:
    return _line({"kind": "trial", **asdict(trial)})


def _line(values: Mapping[str, object]) -> bytes:
    return (json.dumps(json_in_utf8(finite(values)), allow_nan=False) + "\n").encode()


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, one that was cut left out; none of a file that is not there."""
    try:
        with files.open_regular(path) as file:
            return [line for line in file if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


def trial_of(found: dict[str, Any]) -> Trial:
    """The trial that a line's object says. Raises KeyError or TypeError if it says none."""
    curve = tuple((int(iteration), float(value)) for iteration, value in found.get("curve", ()))
    return Trial(**{**{name: value for name, value in found.items() if name != "kind"}, "curve": curve})


def _trial(line: bytes) -> Trial | None:
    """The trial that a line says, or None if it says none."""
    try:
        return trial_of(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
