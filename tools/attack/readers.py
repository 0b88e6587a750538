"""Damaged files of every kind that a user can give, read as netc reads them.

A file must be read or refused with a diagnostic, within 5 seconds of the processor and 512 MB of memory in all, and
without an effect if it is refused. Reading is done in a child process, so that a crash or a hang is one failure.
"""

from __future__ import annotations

import logging
import multiprocessing
import resource
import signal
import tempfile
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tools.attack import Tally
from tools.attack._damage import BLIND, Damage, Random, pick
from tools.attack._samples import REFUSALS, Kind, kinds

SECONDS = 5  # of the processor, for one file
PEAK = 512 << 20  # bytes in memory
LONGEST = 4 << 20  # bytes of a file: what a long text takes as objects is no fault
STUCK = 300  # seconds (on a busy machine) after which a file is a hang, whatever it does
_LIMIT = 3 << 30  # bytes of addresses beyond what the process has: a fault must not take the machine with it
_SILENT = "more memory than there is"  # refused, but only because of that limit


class _SlowError(BaseException):
    """A file takes too long; no reader may catch it."""


def run(count: int, seed: int) -> Tally:
    """Read `count` damaged files, the kinds in turn."""
    tally, start = Tally(), 0
    with tempfile.TemporaryDirectory() as folder:
        while start < count:
            start = _child(Path(folder), tally, range(start, count), seed)
    return tally


def _child(folder: Path, tally: Tally, indices: range, seed: int) -> int:
    """Read the files of some numbers in a process of its own, whose memory is only what it takes itself.

    Gives the number after the last that was done.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_work, args=(folder, theirs, indices, seed))
    child.start()
    theirs.close()
    at, ready = indices.start, False
    try:
        while at < indices.stop:
            if not ours.poll(STUCK):
                child.kill()
                tally.fail(f"{_told(seed, at)}: hangs for {STUCK} s")
                return at + 1
            try:
                name, failure = ours.recv()
            except EOFError:
                child.join()
                if not ready:
                    raise RuntimeError("the sound files could not be made") from None
                tally.fail(f"{_told(seed, at)}: the process ended with code {child.exitcode}")
                return at + 1
            ready = ready or not name
            if not name:
                continue
            tally.add(name)
            if failure:
                tally.fail(f"{_told(seed, at)}: {failure}")
            at += 1
    finally:
        child.join(5)
    return at


def _told(seed: int, index: int) -> str:
    return f"seed {seed}, file {index}"


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


def _work(folder: Path, results: Connection, indices: range, seed: int) -> None:
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    logging.disable()
    found = kinds(folder)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _LIMIT,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _slow)
    results.send(("", ""))
    for index in indices:
        name, how, data = damaged(found, seed, index)
        path = folder / found[name].file
        path.write_bytes(data)
        outcome, failure = _read(found[name], path)
        results.send((f"{name} {outcome}", failure and f"{name}, {how}, {len(data):,} bytes: {failure}"))


def _slow(*_: object) -> None:
    raise _SlowError


def _read(kind: Kind, path: Path) -> tuple[str, str]:
    """Whether a file was read or refused, and what is wrong with that."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    outcome, failure = "read", ""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        kind.read(path)
    except REFUSALS as error:
        outcome = "refused"
        failure = f"takes all memory there is: {error}" if _SILENT in str(error) else ""
        str(error).encode("utf-8", "surrogateescape")
    except _SlowError:
        failure = f"takes more than {SECONDS} s"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        own = [f for f in traceback.extract_tb(error.__traceback__) if "/netc/" in f.filename]
        said = f"{type(error).__name__}: {str(error)[:200]!r}"
        failure = f"{said} at {Path(where.filename).name}:{where.lineno}"
        failure += f", called at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if not failure and (peak := _peak()) > PEAK:
        failure = f"takes {peak >> 20} MB"
    return outcome, failure


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
