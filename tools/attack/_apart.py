"""Inputs that are looked at in a child process of its own limits: a crash, a hang or a bomb is one failure.

What is made must end within the seconds of the processor that are given, and 512 MB of memory in all.
"""

from __future__ import annotations

import logging
import multiprocessing
import re
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tools.attack import Tally

PEAK = 512 << 20  # bytes in memory
STUCK = 300  # seconds (on a busy machine) after which an input is a hang, whatever it does
_LIMIT = 3 << 30  # bytes of addresses beyond what the process has: a fault must not take the machine with it

Attempt = Callable[[int], tuple[str, Callable[[], str]]]
"""From an input's number: what to call it, and what to do with it. That gives the outcome in a word, or raises."""


class _SlowError(BaseException):
    """An input takes too long; nothing may catch it."""


def judge_apart(tally: Tally, indices: range, prepare: Callable[[], Attempt], seconds: float) -> None:
    """Make and judge the inputs of some numbers, and count them by outcome.

    prepare: called in the child, before its memory is limited; it must be picklable.
    seconds: of the processor, that one input may take.
    """
    at = indices.start
    while at < indices.stop:
        at = _child(tally, range(at, indices.stop), prepare, seconds)


def _child(tally: Tally, indices: range, prepare: Callable[[], Attempt], seconds: float) -> int:
    """Judge inputs in a process whose memory is only what it takes itself; the number after the last that was done."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs, indices, prepare, seconds))
    child.start()
    theirs.close()
    at, ready = indices.start, False
    try:
        while at < indices.stop:
            if not ours.poll(STUCK):
                child.kill()
                tally.fail(f"input {at}: hangs for {STUCK} s")
                return at + 1
            try:
                name, failure = ours.recv()
            except EOFError:
                child.join()
                if not ready:
                    raise RuntimeError("the sound inputs could not be made") from None
                tally.fail(f"input {at}: the process ended with code {child.exitcode}")
                return at + 1
            if not name and failure:
                raise RuntimeError(f"input {at} could not be made: {failure}")
            ready = ready or not name
            if not name:
                continue
            tally.add(name)
            if failure:
                tally.fail(f"input {at}: {failure}")
            at += 1
    finally:
        child.join(5)
    return at


def _work(results: Connection, indices: range, prepare: Callable[[], Attempt], seconds: float) -> None:
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    logging.disable()
    attempt = prepare()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _LIMIT,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _slow)
    results.send(("", ""))
    for index in indices:
        try:
            told, act = attempt(index)
        except Exception:
            results.send(("", traceback.format_exc()))
            return
        outcome, failure = _judged(act, seconds)
        results.send((outcome, failure and f"{told}: {failure}"))


def _slow(*_: object) -> None:
    raise _SlowError


def _judged(act: Callable[[], str], seconds: float) -> tuple[str, str]:
    """The outcome of an input, and what is wrong with that."""
    outcome, failure = "broken", ""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        outcome = act()
    except _SlowError:
        failure = f"takes more than {seconds} s"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        own = [f for f in traceback.extract_tb(error.__traceback__) if "/netc/" in f.filename]
        said = f"{type(error).__name__}: {str(error)[:200]!r}"
        failure = f"{said} at {Path(where.filename).name}:{where.lineno}"
        failure += f", called at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) << 10
    if peak > PEAK:
        failure = failure or f"takes {peak >> 20} MB"
        Path("/proc/self/clear_refs").write_text("5")  # the next one's peak is its own
    return outcome, failure
