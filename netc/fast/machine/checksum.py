"""A checksum of arrays: whether parameters have changed since they were packed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netc.fast.machine.emit import I32, I64, LANES, POINTER, VECTOR_BYTES, Loop, at, lanes_below, variable
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Update, entry
from netc.fast.machine.walk import atomic_add
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types

CHAINS = 4
WORDS = CHAINS * LANES  # 32-bit words a turn
CHUNK = 64 * WORDS
FACTOR = 0x01000193  # of the Fowler-Noll-Vo hash
_INTEGERS = ir.VectorType(I32, LANES)


def add_to(total: Region, source: Region, start: int) -> Launch:
    """total (an int64) += the hashes of chunks of the source's 32-bit words, each times an odd number of its own.

    start: how many words came before. Threads add in any order, which changes nothing in a sum of integers.
    """
    return replace(_sum(total=total, source=source, count=source.nbytes // 4, start=-(-start // CHUNK)), wait=False)


@intrinsic
def _hash(_context: Any, address: Any, count: Any) -> Any:
    """The hash of `count` words: in each of 64 chains h = h * FACTOR + word, then a weighted sum of the chains."""

    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        pointer = variable(b, b.inttoptr(arguments[0], POINTER))
        chains = [variable(b, ir.Constant(_INTEGERS, [1] * LANES)) for _ in range(CHAINS)]
        left = variable(b, arguments[1])
        turns = b.udiv(b.add(arguments[1], ir.Constant(I64, WORDS - 1)), ir.Constant(I64, WORDS))
        with Loop(b, turns, [pointer], [WORDS * 4]):
            for i, chain in enumerate(chains):
                rest = b.sub(b.load(left, typ=I64), ir.Constant(I64, i * LANES))
                words = _load_words(b, at(b, b.load(pointer, typ=POINTER), i * VECTOR_BYTES), lanes_below(b, rest))
                grown = b.mul(b.load(chain, typ=_INTEGERS), ir.Constant(_INTEGERS, [FACTOR] * LANES))
                b.store(b.add(grown, words), chain)
            b.store(b.sub(b.load(left, typ=I64), ir.Constant(I64, WORDS)), left)
        total: Any = ir.Constant(I64, 0)
        for i, chain in enumerate(chains):
            for lane in range(LANES):
                word = b.zext(b.extract_element(b.load(chain, typ=_INTEGERS), ir.Constant(I32, lane)), I64)
                total = b.add(total, b.mul(word, ir.Constant(I64, 2 * (i * LANES + lane) + 1 << 24 | 1)))
        return total

    return types.intp(types.intp, types.intp), codegen


def _load_words(b: Any, pointer: Any, mask: Any) -> Any:
    kind = ir.FunctionType(_INTEGERS, [POINTER, I32, mask.type, _INTEGERS])
    name = f"llvm.masked.load.v{LANES}i32.p0"
    function = b.module.globals.get(name) or ir.Function(b.module, kind, name)
    return b.call(function, [pointer, ir.Constant(I32, 4), mask, ir.Constant(_INTEGERS, [0] * LANES)])


@entry
def _sum(tid: int, nth: int, total: Update[Region], source: Read[Region], count: int, start: int) -> None:
    chunks = (count + 4095) // 4096
    found = 0
    for chunk in share(chunks, tid, nth):
        words = min(4096, count - chunk * 4096)
        found += _hash(source + chunk * 16384, words) * (2 * (start + chunk) + 1)
    atomic_add(total, found)


assert CHUNK == 4096
