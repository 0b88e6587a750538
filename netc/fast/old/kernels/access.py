"""What each kernel of a step table reads and writes: boxes of bytes, from the arguments of its row.

For checks only (`netc/run/lowering/verify.py`): kernels know nothing of this file. A kernel that is not listed here
cannot be checked, so `of` says so; tests run every kernel against what is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netc.fast.machine.access import Access, Mode
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import PIXEL, blocks
from netc.fast.old.kernels.access_products import PRODUCTS
from netc.fast.old.kernels.boxes import Given
from netc.jit import Entry

SUMS = 256  # float64 sums of a block of channels


class UnknownKernelError(LookupError):
    """Nothing is said here of a row's kernel."""


def of(row: Launch, threads: int) -> list[Access]:
    """All that a row reads and writes, with this many threads; raises UnknownKernelError."""
    if row.operands is not None:
        return [a for a in row.kernel.accesses(row.operands) if not a.empty]  # type: ignore[attr-defined]
    function = row.kernel.function
    name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__.partition('.')[0]}"
    if name not in KERNELS:
        raise UnknownKernelError(name)
    return [a for a in KERNELS[name](Given(row.arguments, _literals(row.kernel), threads)) if not a.empty]


def _literals(kernel: Entry) -> dict[str, Any]:
    """The integers that a kernel was made for."""
    cells = kernel.function.__closure__ or ()
    return dict(zip(kernel.function.__code__.co_freevars, (cell.cell_contents for cell in cells), strict=True))


# ---------------------------------------------------------------- layouts


def _weights_moved(packed: Mode, plain: Mode, source_is_packed: bool) -> Callable[[Given], Iterator[Access]]:
    def accesses(g: Given) -> Iterator[Access]:
        groups, outs, ins, cells, order = (g[i] for i in range(2, 7))
        lanes = ins if order == 2 else 16
        blocked = groups * blocks(outs) * (1 if order == 2 else blocks(ins)) * lanes * cells * 64
        yield g.box(packed, 0 if source_is_packed else 1, blocked)
        yield g.box(plain, 1 if source_is_packed else 0, groups * outs * ins * cells * 4)
        if not source_is_packed:
            yield g.read(7, groups * blocks(outs) * 64)

    return accesses


def _pack_bias(g: Given) -> Iterator[Access]:
    yield g.read(0, g[2] * g[3] * 4)
    yield g.write(1, g[2] * blocks(g[3]) * 64)


def _add_bias(g: Given) -> Iterator[Access]:
    yield g.read(0, g[2] * blocks(g[3]) * 64)
    yield g.update(1, g[2] * g[3] * 4)


def _groups_spread(g: Given) -> Iterator[Access]:
    outputs, length, count = g[2], g[4], g[5]
    yield g.read(0, outputs * length * 4)
    yield g.write(1, outputs * length * count * 4)


def _groups_collected(g: Given) -> Iterator[Access]:
    outputs, length, count = g[2], g[4], g[5]
    yield g.read(0, outputs * length * count * 4)
    yield g.update(1, outputs * length * 4)


# ---------------------------------------------------------------- channels: affine, batch normalization, LRN


def _change(g: Given) -> Iterator[Access]:
    groups, channels, kind = g[2], g[3], g[4]
    for index in (0, 1):
        yield g.box("write" if kind == 0 else "update", index, groups * blocks(channels) * 64)
    for index in (5, 6):
        yield g.read(index, groups * channels * 4)
    yield g.read(7, 4)


def _apply(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 8)
    yield g.blob("write", 4, 8)
    yield g.read(12, g[9] * 64)
    yield g.read(13, g[9] * 64)


def _moment_sums(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 4)
    yield g.write(8, g[4] * g[5] * SUMS)


def _moments(g: Given) -> Iterator[Access]:
    images, planes, channels = g[0], g[1], g[3]
    yield g.update(4, images * planes * SUMS)
    yield g.write(5, planes * 64)
    yield g.write(6, planes * 64)
    yield g.update(7, channels * 4)
    yield g.update(8, channels * 4)
    yield g.update(9, 4)


def _normalize(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    yield g.blob("write", 4, 12)
    if isinstance(g.arguments[8], Ref):
        yield g.blob("write", 8, 12)
    for index in range(16, 20):
        yield g.read(index, g[13] * 64)


def _gradient_sums(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 8)
    yield g.blob("read", 4, 8)
    yield g.write(12, g[8] * g[9] * SUMS)
    yield g.read(13, g[9] * 64)
    yield g.read(14, g[9] * 64)


def _gradient_means(g: Given) -> Iterator[Access]:
    images, planes, channels = g[0], g[1], g[3]
    yield g.update(4, images * planes * SUMS)
    yield g.read(5, planes * 64)
    yield g.read(6, planes * 64)
    yield g.update(7, channels * 4)
    yield g.update(8, channels * 4)


def _batch_gradient(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    yield g.blob("read", 4, 12)
    yield g.blob("write", 8, 12)
    for index, width in ((16, SUMS), (17, 64), (18, 64)):
        yield g.read(index, g[13] * width)


def _lrn_forward(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    yield g.blob("write", 8, 12)


def _lrn_backward(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    yield g.blob("read", 4, 12)
    yield g.blob("write", 8, 12)
    yield g.work(16, g.threads * g[17])


# ---------------------------------------------------------------- values and windows


def _function(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    if g.literals["back"]:
        yield g.blob("read", 4, 12)
    yield g.blob("write", 8, 12)


def _dropout(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    yield g.blob("write", 8, 12)
    yield g.read(16, 16)
    yield g.write(17, 16)


def _channels_copied(g: Given) -> Iterator[Access]:
    """Boxes of lanes: block by block, as the runs of channels fall."""
    (n, planes, lines, width), (first, start, end, clear) = (g[i] for i in range(8, 12)), (g[i] for i in range(12, 16))
    for block in range(start // 16, start // 16 + planes):
        low, high = max(start, block * 16), min(end, block * 16 + 16)
        yield _lanes(g, "write", 4, block, low - block * 16, min(clear, block * 16 + 16) - low, (n, lines, width))
        while low < high:
            channel = low + first - start
            run = min(high - low, 16 - channel % 16)
            yield _lanes(g, "read", 0, channel // 16, channel % 16, run, (n, lines, width))
            low += run


def _lanes(g: Given, mode: Mode, index: int, block: int, lane: int, count: int, size: tuple[int, int, int]) -> Access:
    found = g.box(mode, index, count * 4, (size[0], g[index + 1]), (size[1], g[index + 3]), (size[2], PIXEL))
    return Access(mode, found.at + (block * g[index + 2] + lane * 4), found.width, found.dims)


def _unpooled(back: bool) -> Callable[[Given], Iterator[Access]]:
    def accesses(g: Given) -> Iterator[Access]:
        yield g.blob("write" if back else "read", 0, 12)
        yield g.blob("read", 4, 12)
        dims = ((g[12], g[9]), (g[13], g[10]), (g[16], g[11]))
        yield g.box("read" if back else "write", 8, g[17] * PIXEL, *dims)

    return accesses


def _repeated(back: bool) -> Callable[[Given], Iterator[Access]]:
    def accesses(g: Given) -> Iterator[Access]:
        yield g.blob("write" if back else "read", 0, 8)
        dims = ((g[8], g[5]), (g[9], g[6]), (g[10] * g[12], g[7]))
        yield g.box("read" if back else "write", 4, g[11] * g[13] * PIXEL, *dims)

    return accesses


def _prelu(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    yield g.blob("read", 4, 12)
    yield g.blob("write", 8, 12)
    yield g.read(17, 4 if g[18] else g[16] * 4)


def _gated(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 12)
    if isinstance(g.arguments[4], Ref):
        yield g.blob("read", 4, 12)
    yield g.blob("write", 8, 12)
    yield g.read(17, g[12] * g[16] * 4)


def _channel_dots(g: Given) -> Iterator[Access]:
    yield g.blob("read", 0, 8)
    yield g.blob("read", 4, 8)
    yield g.write(12, g[8] * g[9] * 64)
    yield g.work(13, g.threads * 64)


def _dots_moved(g: Given) -> Iterator[Access]:
    yield g.read(0, g[4] * 4, (g[2], g[3] * 64))
    yield g.write(1, g[2] * g[4] * 4)


def _slopes(g: Given) -> Iterator[Access]:
    yield g.read(0, g[4] * 4, (g[2], g[3] * 64))
    yield g.update(1, 4 if g[5] else g[4] * 4)


def _softmax(g: Given) -> Iterator[Access]:
    size = (g[12], g[13], g[14], g[15])
    for index in (0, 4, 8) if g.literals["back"] else (0, 8):
        mode: Mode = "write" if index == 8 else "read"
        if g.literals["flat"]:
            yield g.box(mode, index, g[16] * 4, (size[0], g[index + 1]))
        else:
            yield g.blob(mode, index, 12)


def _updated(g: Given) -> Iterator[Access]:
    """The numbers of the rule and its memory of gradients are not netc's own arrays."""
    yield g.update(0, g[2] * 4)
    yield g.update(1, g[2] * 4)


KERNELS: dict[str, Callable[[Given], Iterator[Access]]] = {
    "compiled._with_one_history": _updated,
    "compiled._with_two_histories": _updated,
    "weights._pack": _weights_moved("write", "read", False),
    "weights._add": _weights_moved("read", "update", True),
    "weights._pack_bias": _pack_bias,
    "weights._add_bias": _add_bias,
    "groups._spread": _groups_spread,
    "groups._clear": lambda g: iter([g.write(0, g[1])]),
    "groups._collect": _groups_collected,
    **PRODUCTS,
    "affine._change": _change,
    "affine._apply": _apply,
    "batch_norm._moment_sums": _moment_sums,
    "batch_norm._moments": _moments,
    "batch_norm._normalize": _normalize,
    "batch_norm._gradient_sums": _gradient_sums,
    "batch_norm._gradient_means": _gradient_means,
    "batch_norm._gradient": _batch_gradient,
    "lrn._forward": _lrn_forward,
    "lrn._backward": _lrn_backward,
    "functions._values": _function,
    "dropout._masked": _dropout,
    "per_channel._prelu": _prelu,
    "per_channel._gated": _gated,
    "per_channel._dots": _channel_dots,
    "per_channel._to_plain": _dots_moved,
    "per_channel._add_images": _slopes,
    "softmax._positions": _softmax,
    "unpool._scatter": _unpooled(False),
    "unpool._gather": _unpooled(True),
    "unpool._repeat": _repeated(False),
    "unpool._add_repeated": _repeated(True),
    "channels._copied": _channels_copied,
}
