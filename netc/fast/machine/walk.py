"""Walking a step table with several threads: one compiled interpreter, which each of them runs.

Each row says which rows must have ended before it begins. Each thread says how far it is, goes ahead as far as it can,
and waits where it must for those who are behind. Who waits spins for some microseconds and then sleeps until somebody
gets further, so that a neighbour (or the thread that is waited for) has the core.

The first thread is the caller's own, and it does not wait for the others to come: until a worker has taken over its
parts of the rows, the first thread does them, too, one by one, each after its own part of a row. So a worker that comes
in the middle of a long row begins with that row. Workers are Python's threads, so exactly as many run as asked for;
they leave the GIL while they walk. They do not survive a fork: the child makes its own.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.fast.machine.emit import I64, POINTER
from netc.fast.machine.launch import HEADER, WIDTH
from netc.jit import cgutils, intrinsic, ir, kernel
from netc.jit import numba_types as types

SPINS = 2000  # some 30 us
LINE = 8 * WIDTH
FIRST = 8 * HEADER
APART = 128  # bytes between what different threads write
BELL, SLEEPERS = 0, 8  # first in a pass's state: what moves to wake sleepers, and how many sleep
ROWS, SLEEPS = 0, 8  # then of each thread: how many rows it has ended, and whether it sleeps until the pass begins
ABSENT = 1 << 61  # rows of a thread that is not there, plus how many of its parts were done for it: nobody waits for it
NOT_BEGUN = (1 << 62) + 0x7FFFFFFF  # rows before the caller walks (in their lower half unlike any other)
GO_HOME = 1 << 62  # rows of whom the pass does not need
SLEEP = 10**6  # nanoseconds, then a sleeper looks for itself
FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221}  # Linux's number of the call
WAIT, WAKE = 128, 129  # what it does, for threads of one process
X86 = platform.machine().lower() in {"x86_64", "amd64", "i386", "i686"}


@intrinsic
def call_entry(_context: Any, address: Any, row: Any, tid: Any, nth: Any) -> Any:
    """Call the machine code at `address`."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * 3)
        b.call(b.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), codegen


@intrinsic
def call_system(_context: Any, function: Any, number: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Call a function of the system with these arguments and two zeros."""

    def codegen(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(I64, [I64] * 7)
        zeros = [ir.Constant(I64, 0)] * 2
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [*arguments[1:], *zeros])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def atomic_add(_context: Any, address: Any, value: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("add", b.inttoptr(arguments[0], POINTER), arguments[1], "seq_cst")

    return types.intp(types.intp, types.intp), codegen


@intrinsic
def atomic_load(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.load_atomic(b.inttoptr(arguments[0], POINTER), "seq_cst", 8, typ=I64)

    return types.intp(types.intp), codegen


@intrinsic
def atomic_store(_context: Any, address: Any, value: Any) -> Any:
    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        b.atomic_rmw("xchg", b.inttoptr(arguments[0], POINTER), arguments[1], "seq_cst")
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@intrinsic
def atomic_swap(_context: Any, address: Any, old: Any, new: Any) -> Any:
    """Put a new value in the place of an old one; whether the old one was there."""

    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        at, old, new = arguments
        return b.extract_value(b.cmpxchg(b.inttoptr(at, POINTER), old, new, "seq_cst"), 1)

    return types.boolean(types.intp, types.intp, types.intp), codegen


@intrinsic
def _word(_context: Any, line: Any, index: Any) -> Any:
    """Word `index` of a line of the table."""

    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        address = b.add(arguments[0], b.shl(arguments[1], ir.Constant(I64, 3)))
        return b.load(b.inttoptr(address, POINTER), typ=I64)

    return types.intp(types.intp, types.intp), codegen


@intrinsic
def pause(_context: Any) -> Any:
    """Tell the processor that this is a spin loop."""

    def codegen(context: Any, b: Any, _signature: Any, _arguments: Any) -> Any:
        if X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            b.call(cgutils.get_or_insert_function(b.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@kernel
def _sleep(place: int, value: int, state: int, system: int, number: int) -> None:
    """Sleep while the word at an address has a value; or, where the system has no such thing, let others run."""
    call_system(system, number, place, WAIT, value & 0xFFFFFFFF, state + APART - 16)


@kernel
def _wake(place: int, system: int, number: int) -> None:
    """Wake all who sleep there."""
    if number > 0:
        call_system(system, number, place, WAKE, 1 << 30, 0)


@kernel
def _of(state: int, tid: int) -> int:
    """The words of a thread."""
    return state + (tid + 1) * APART


@kernel
def _are_at(state: int, nth: int, rows: int) -> bool:
    """Whether all have ended the first `rows` rows. The first thread is looked at first: it lets others join."""
    for tid in range(nth):  # noqa: SIM110 - compiled
        if atomic_load(_of(state, tid) + ROWS) < rows:
            return False
    return True


@kernel
def _wait(state: int, nth: int, rows: int, system: int, number: int) -> None:
    """Until all have ended the first `rows` rows."""
    spins = 0
    while not _are_at(state, nth, rows):
        spins += 1
        if spins < SPINS:
            pause()
            continue
        atomic_add(state + SLEEPERS, 1)
        bell = atomic_load(state + BELL)
        if not _are_at(state, nth, rows):
            _sleep(state + BELL, bell, state, system, number)
        atomic_add(state + SLEEPERS, -1)


@kernel
def _get_to(state: int, tid: int, rows: int, system: int, number: int) -> None:
    """Say that a thread has ended the first `rows` rows."""
    atomic_store(_of(state, tid) + ROWS, rows)
    if atomic_load(state + SLEEPERS) > 0:
        atomic_add(state + BELL, 1)
        _wake(state + BELL, system, number)


@kernel
def _join(state: int, tid: int, system: int, number: int) -> Any:
    """Take over a worker's parts of the rows: from which row on; -1 if the pass does not need it."""
    mine, spins = _of(state, tid) + ROWS, 0
    while True:
        at = atomic_load(mine)
        if at == GO_HOME:
            return -1
        if at != NOT_BEGUN:
            if atomic_swap(mine, at, at - ABSENT):
                return at - ABSENT
            continue
        spins += 1
        if spins < SPINS:
            pause()
            continue
        if spins == SPINS:
            atomic_store(_of(state, tid) + SLEEPS, 1)
        _sleep(mine, NOT_BEGUN, state, system, number)


@kernel
def _begin(state: int, tid: int, system: int, number: int) -> None:
    """Let a worker take over its parts from now on."""
    theirs = _of(state, tid)
    atomic_store(theirs + ROWS, ABSENT)
    if atomic_load(theirs + SLEEPS) > 0:
        _wake(theirs + ROWS, system, number)


@kernel
def _follow(table: int, rows: int, tid: int, nth: int, state: int, system: int, number: int) -> None:
    """A worker's part of each row from the one on from which it takes them over."""
    first = _join(state, tid, system, number)
    if first < 0:
        return
    _wait(state, 1, first, system, number)  # what the first thread does for it uses its scratch
    for index in range(first, rows):
        row = table + index * LINE
        if _word(row, 1) == 0:
            _wait(state, nth, _word(row, 2), system, number)
            call_entry(_word(row, 0), row + FIRST, tid, nth)
        _get_to(state, tid, index + 1, system, number)


@kernel
def _lead(table: int, rows: int, nth: int, state: int, system: int, number: int) -> None:
    """The first thread's part of each row, the rows that it does alone, and the parts of those who are not there."""
    for tid in range(1, nth):
        _begin(state, tid, system, number)
    for index in range(rows):
        row = table + index * LINE
        entry, alone = _word(row, 0), _word(row, 1)
        _wait(state, nth, _word(row, 2), system, number)
        call_entry(entry, row + FIRST, 0, 1 if alone else nth)
        for tid in range(1, nth):
            theirs = _of(state, tid) + ROWS
            if atomic_load(theirs) >= ABSENT and atomic_swap(theirs, ABSENT + index, ABSENT + index + 1) and alone == 0:
                call_entry(entry, row + FIRST, tid, nth)
        _get_to(state, 0, index + 1, system, number)
    for tid in range(1, nth):
        atomic_swap(_of(state, tid) + ROWS, ABSENT + rows, GO_HOME)
    _wait(state, nth, rows, system, number)


@kernel
def walk(table: int, rows: int, tid: int, nth: int, state: int, system: int, number: int) -> None:
    """Run a table's rows as thread `tid` of `nth`; state: address of the pass's own words (of one thread: none)."""
    if nth == 1:
        for index in range(rows):
            call_entry(_word(table + index * LINE, 0), table + index * LINE + FIRST, 0, 1)
    elif tid == 0:
        _lead(table, rows, nth, state, system, number)
    else:
        _follow(table, rows, tid, nth, state, system, number)


WALKER = walk.version(*[0] * 7)


def _how_to_sleep() -> tuple[int, int]:
    """The system's function, and its first argument: futex, or 0 and what lets others run."""
    number = FUTEX.get(platform.machine(), 0) if sys.platform == "linux" else 0
    library = ctypes.CDLL("kernel32" if sys.platform == "win32" else None)
    names = ("syscall",) if number else ("SwitchToThread", "sched_yield")
    function = next(getattr(library, name) for name in names if hasattr(library, name))
    return ctypes.cast(function, ctypes.c_void_p).value or 0, number


class Team:
    """`threads` threads that walk tables together: the caller's own and threads - 1 workers.

    A pass is whole or not there, wherever an exception from outside (an interrupt) hits the caller: it may come while
    workers are being told of the pass, and then no row has run, for only the caller's walk begins it; or when the
    compiled walk has returned, and then all rows have. Nothing is left from one pass to the next.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._system = _how_to_sleep()
        self._queues: list[SimpleQueue[Job | None]] = []
        self._owner = 0
        self._state = _begun(threads)

    def run(self, table: NDArray[np.int64]) -> None:
        """Run the table's rows; returns when all are done."""
        if self.threads == 1 or len(table) == 0:
            walk(table.ctypes.data, len(table), 0, 1, 0, 0, 0)
            return
        if self._owner != os.getpid():
            self._start()
        self._cancel()  # a pass whose caller was interrupted twice
        self._state = state = _begun(self.threads)
        try:
            for tid, queue in enumerate(self._queues, 1):
                queue.put((table, tid, self.threads, state, self._system))
            walk(table.ctypes.data, len(table), 0, self.threads, state.ctypes.data, *self._system)
        finally:
            self._cancel()

    def close(self) -> None:
        """End the workers."""
        self._cancel()
        for queue in self._queues:
            queue.put(None)
        self._queues, self._owner = [], 0

    def __del__(self) -> None:
        self.close()

    def _cancel(self) -> None:
        """Send workers home that wait for a pass that its caller has not begun, and never will."""
        rows = self._state[2:, ROWS // 8]
        rows[rows == NOT_BEGUN] = GO_HOME

    def _start(self) -> None:
        WALKER.compile()  # once, here, not in every thread
        queues: list[SimpleQueue[Job | None]] = [SimpleQueue() for _ in range(self.threads - 1)]
        for queue in queues:
            threading.Thread(target=_work, args=(queue,), daemon=True, name="netc").start()
        self._queues = queues
        self._owner = os.getpid()


Job = tuple[NDArray[np.int64], int, int, NDArray[np.int64], tuple[int, int]]


def _begun(threads: int) -> NDArray[np.int64]:
    """The state of a pass: a line of all, with the time that sleepers sleep at its end, then one for each thread."""
    state = np.zeros((1 + threads, APART // 8), np.int64)
    state[0, -1] = SLEEP
    state[2:, ROWS // 8] = NOT_BEGUN
    return state


def _work(queue: SimpleQueue[Job | None]) -> None:
    while (job := queue.get()) is not None:
        table, tid, threads, state, system = job  # held here as long as they are used
        walk(table.ctypes.data, len(table), tid, threads, state.ctypes.data, *system)
