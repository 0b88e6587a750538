"""Walking a step table with several threads: one compiled interpreter, a spin barrier after each row.

Threads are Python's, so exactly as many run as asked for (a threading layer may give fewer, and then a barrier would
never open). They leave the GIL while they walk. A thread that waits spins for a while and then yields its core, so more
threads than cores are slow but never stuck. Workers do not survive a fork: the child makes its own.
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

SPINS = 4000  # about 50 us
LINE = 8 * WIDTH
FIRST = 8 * HEADER
CLOSED, OPEN, CANCELLED = 0, 1, 2  # the gate of a pass
GATE_BYTES = 128  # from the gate to the counter, and from the counter to whatever is next
STATE = 3 * GATE_BYTES // 8
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
def call_yield(_context: Any, address: Any) -> Any:
    """Call the system's function that gives the core to another thread."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        b.call(b.inttoptr(arguments[0], ir.FunctionType(I64, []).as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.intp), codegen


@intrinsic
def atomic_add(_context: Any, address: Any, value: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("add", b.inttoptr(arguments[0], POINTER), arguments[1], "acq_rel")

    return types.intp(types.intp, types.intp), codegen


@intrinsic
def atomic_load(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.load_atomic(b.inttoptr(arguments[0], POINTER), "acquire", 8, typ=I64)

    return types.intp(types.intp), codegen


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
def walk(table: int, first: int, last: int, tid: int, nth: int, state: int, give_way: int) -> None:
    """Run rows first..last-1 as thread `tid` of `nth`.

    state: address of the pass's own gate, which thread 0 opens, and (a cache line on) of the counter of its barriers.
    """
    counter, passed, spins = state + GATE_BYTES, 0, 0
    if nth > 1:
        if tid == 0:
            atomic_add(state, OPEN)
        while atomic_load(state) == CLOSED:
            spins += 1
            if spins < SPINS:
                pause()
            else:
                call_yield(give_way)
        if atomic_load(state) != OPEN:
            return
    for index in range(first, last):
        row = table + index * LINE
        call_entry(_word(row, 0), row + FIRST, tid, nth)
        if nth > 1 and (_word(row, 1) != 0 or index == last - 1):
            passed += nth
            atomic_add(counter, 1)
            spins = 0
            while atomic_load(counter) < passed:
                spins += 1
                if spins < SPINS:
                    pause()
                else:
                    call_yield(give_way)


def _yield_address() -> int:
    windows = sys.platform == "win32"
    library = ctypes.CDLL("kernel32" if windows else None)
    function = library.SwitchToThread if windows else library.sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Team:
    """`threads` threads that walk tables together: the caller's own and threads - 1 workers.

    A pass is whole or not there, wherever an exception from outside (an interrupt) hits the caller: it may come while
    workers are being told of the pass, and then the gate was never opened and no row has run; or when the compiled
    walk has returned, and then all rows have. Nothing is left from one pass to the next.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._yield = _yield_address()
        self._queues: list[SimpleQueue[Job | None]] = []
        self._owner = 0
        self._state = _closed()

    def run(self, table: NDArray[np.int64], first: int = 0, last: int | None = None) -> None:
        """Run rows first..last-1 of the table; returns when all are done."""
        last = len(table) if last is None else last
        if first >= last:
            return
        if self._owner != os.getpid():
            self._start()
        self._cancel()  # a pass whose caller was interrupted twice
        self._state = state = _closed()
        try:
            for tid, queue in enumerate(self._queues, 1):
                queue.put((table, first, last, tid, self.threads, state, self._yield))
            walk(table.ctypes.data, first, last, 0, self.threads, state.ctypes.data, self._yield)
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
        if self._state[0] == CLOSED:
            self._state[0] = CANCELLED

    def _start(self) -> None:
        walk.version(*[0] * 7)  # compile once, here, not in every thread
        queues: list[SimpleQueue[Job | None]] = [SimpleQueue() for _ in range(self.threads - 1)]
        for queue in queues:
            threading.Thread(target=_work, args=(queue,), daemon=True, name="netc").start()
        self._queues = queues
        self._owner = os.getpid()


Job = tuple[NDArray[np.int64], int, int, int, int, NDArray[np.int64], int]


def _closed() -> NDArray[np.int64]:
    """The state of a pass that has not begun: its gate and its counter, each on a cache line of its own."""
    return np.zeros(STATE, np.int64)


def _work(queue: SimpleQueue[Job | None]) -> None:
    while (job := queue.get()) is not None:
        table, first, last, tid, threads, state, give_way = job  # held here as long as they are used
        walk(table.ctypes.data, first, last, tid, threads, state.ctypes.data, give_way)
