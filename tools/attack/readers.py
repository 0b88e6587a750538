"""Damaged files of every kind that a user can give, read as netc reads them.

A file must be read or refused with a diagnostic, within 5 seconds of the processor and 512 MB of memory in all, and
without an effect if it is refused. Reading is done in a child process, so that a crash or a hang is one failure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tools.attack import Tally
from tools.attack._apart import Attempt, judge_apart
from tools.attack._damage import BLIND, Damage, Random, pick
from tools.attack._samples import REFUSALS, Kind, kinds

SECONDS = 5  # of the processor, for one file
LONGEST = 4 << 20  # bytes of a file: what a long text takes as objects is no fault
_SILENT = "more memory than there is"  # refused, but only because of the child's limit


def run(count: int, seed: int) -> Tally:
    """Read `count` damaged files, the kinds in turn."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        judge_apart(tally, range(count), partial(_prepared, Path(folder), seed), SECONDS)
    return tally


def damaged(found: dict[str, Kind], seed: int, index: int) -> tuple[str, str, bytes]:
    """The file of a number: its kind, how it was damaged, and its bytes."""
    rng: Random = np.random.default_rng((seed, index))
    name = list(found)[index % len(found)]
    kind = found[name]
    data, how = kind.sound[pick(rng, len(kind.sound))], list[str]()
    for _ in range(1 + (rng.random() < 0.3)):
        own = bool(kind.lies) and rng.random() < 0.6
        choices: tuple[Damage, ...] = kind.lies if own else tuple(BLIND)
        damage = choices[pick(rng, len(choices))]
        try:
            data = damage(data, rng)
        except Exception:  # damage that knows a format, on what another damage left of it
            data = BLIND[0](data, rng)
        how.append(damage.__name__)
    return name, "+".join(how), data[:LONGEST]


def _prepared(folder: Path, seed: int) -> Attempt:
    found = kinds(folder)

    def attempt(index: int) -> tuple[str, Callable[[], str]]:
        name, how, data = damaged(found, seed, index)
        path = folder / found[name].file
        path.write_bytes(data)
        return f"seed {seed}, {name}, {how}, {len(data):,} bytes", lambda: f"{name} {_read(found[name], path)}"

    return attempt


def _read(kind: Kind, path: Path) -> str:
    """Whether a file was read or refused."""
    try:
        kind.read(path)
    except REFUSALS as error:
        str(error).encode("utf-8", "surrogateescape")
        if _SILENT in str(error):
            raise MemoryError(str(error)) from error
        return "refused"
    return "read"
