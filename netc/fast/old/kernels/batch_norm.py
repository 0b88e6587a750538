"""Batch normalization in training, with the Scale and ReLU that follow it, on blocked blobs.

Forward goes over the bottom twice: moments, then x-hat and y together. Backward goes over the diff twice: sums of g and
g x-hat (g being dy where ReLU passed it on), which are the gradients of Scale's bias and factor too, then
dx = factor / std * (g - mean(g) - x-hat mean(g x-hat)). Sums are in float64: of each image over lines and pixels, then
over images. So every pass shares its work by images, as convolutions do, and a thread's pixels stay near its core.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

from netc.fast.machine.emit import (
    LANES,
    POINTER,
    VECTOR_BYTES,
    Loop,
    arg,
    clip_below,
    constant,
    load,
    pointers,
    store,
    variable,
)
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.memory import float_of, floats
from netc.fast.old.kernels.affine import Affine
from netc.fast.old.kernels.pointwise import bits
from netc.fast.old.nothing import NOTHING
from netc.jit import Entry, cgutils, entry, intrinsic, ir, kernel, numba
from netc.jit import numba_types as types

DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
SUMS_BYTES = 2 * 8 * LANES  # of an image's block: 16 sums and 16 sums of products
_carray = numba.carray


@dataclass(frozen=True, slots=True)
class Statistics:
    """Where a batch's means and 1 / standard deviations are (in blocks), and workspace for sums."""

    mean: Ref
    inverse: Ref
    sums: Ref


def moments(
    x: Blocked, to: Statistics, stored: tuple[Ref, Ref, Ref], fraction: float, eps: float, label: str = ""
) -> list[Launch]:
    """The batch's statistics; also updates the stored sums of means and variances, and their factor."""
    count = x.n * x.h * x.w
    rest = (x.n, x.blocks, count, x.c, to.sums, to.mean, to.inverse, *stored, bits(fraction), bits(eps))
    return [Launch(_moment_sums, (*_place(x), *_size(x), to.sums), label), Launch(_moments, rest, label)]


def normalize(
    x: Blocked, x_hat: Blocked, y: Blocked | None, at: Statistics, affine: Affine, relu: bool, label: str = ""
) -> list[Launch]:
    """x_hat, and y = x_hat * factor + shift (clipped at 0) unless nothing follows; x_hat may be x."""
    places = (*_place(x), *_place(x_hat), *(_place(y) if y else (NOTHING,) * 4))
    arguments = (*places, *_size(x), at.mean, at.inverse, affine.factor, affine.shift, int(relu), int(y is not None))
    return [Launch(_normalize, arguments, label)]


def gradient(
    x_hat: Blocked, dy: Blocked, dx: Blocked | None, at: Statistics, affine: Affine, relu: bool,
    scale: tuple[Ref | int, Ref | int], label: str = "",
) -> list[Launch]:  # fmt: skip
    """dx, and scale += the gradients of Scale's factor and bias (0: none wanted)."""
    head = (*_place(x_hat), *_place(dy))
    count = x_hat.n * x_hat.h * x_hat.w
    sums = (*head, *_size(x_hat), at.sums, affine.factor, affine.shift)
    means = (x_hat.n, x_hat.blocks, count, x_hat.c, at.sums, at.inverse, affine.factor, *scale)
    rows = [Launch(_gradient_sums(int(relu)), sums, label), Launch(_gradient_means, means, label)]
    if dx is not None:
        rest = (*head, *_place(dx), *_size(x_hat), at.sums, affine.factor, affine.shift)
        rows.append(Launch(_gradient(int(relu)), rest, label))
    return rows


def _place(blob: Blocked) -> tuple[Ref, int, int, int]:
    return blob.inner, blob.image, blob.plane, blob.line


def _size(blob: Blocked) -> tuple[int, int, int, int]:
    return blob.n, blob.blocks, blob.h, blob.w


# ---------------------------------------------------------------- lines of pixels


def _masked(b: Any, given: Any, x_hat: Any, factor: Any, shift: Any, relu: int) -> Any:
    """dy where x_hat * factor + shift is positive."""
    if not relu:
        return given
    passed = b.fcmp_ordered(">", b.fadd(b.fmul(x_hat, factor), shift), constant(0))
    return b.select(passed, given, constant(0))


def _accumulate(b: Any, slots: list[Any], first: Any, second: Any) -> None:
    """slots[0] += first, slots[1] += first * second, in float64."""
    wide, other = b.fpext(first, DOUBLES), b.fpext(second, DOUBLES)
    kind = ir.FunctionType(DOUBLES, [DOUBLES] * 3)
    fused = cgutils.get_or_insert_function(b.module, kind, f"llvm.fmuladd.v{LANES}f64")
    b.store(b.fadd(b.load(slots[0], typ=DOUBLES), wide), slots[0])
    b.store(b.call(fused, [wide, other, b.load(slots[1], typ=DOUBLES)]), slots[1])


def _double_slots(b: Any, sums: Any) -> tuple[list[Any], list[Any]]:
    """The two vectors of sums in memory, and stack slots that start with them."""
    places = [sums, b.gep(sums, [ir.Constant(ir.IntType(64), 8 * LANES)], source_etype=ir.IntType(8))]
    slots = []
    for place in places:
        value = b.load(place, typ=DOUBLES)
        value.align = 8
        slots.append(variable(b, value))
    return places, slots


def _keep(b: Any, places: list[Any], slots: list[Any]) -> None:
    for place, slot in zip(places, slots, strict=True):
        b.store(b.load(slot, typ=DOUBLES), place).align = 8


@intrinsic
def _add_moments(_context: Any, x: Any, pixels: Any, sums: Any) -> Any:
    """sums += x and x^2 over pixels."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, total = pointers(b, (arguments[0], arguments[2]))
        places, slots = _double_slots(b, total)
        slot = variable(b, source)
        with Loop(b, arguments[1], [slot], [PIXEL]):
            value = load(b, b.load(slot, typ=POINTER))
            _accumulate(b, slots, value, value)
        _keep(b, places, slots)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen


@intrinsic
def _add_gradients(
    _context: Any, relu: Any, x_hat: Any, dy: Any, pixels: Any, sums: Any, factor: Any, shift: Any
) -> Any:
    """sums += g and g x_hat over pixels."""
    literal = relu.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        hat, given, total, scale, bias = pointers(b, (arguments[1], arguments[2], *arguments[4:]))
        places, slots = _double_slots(b, total)
        scale, bias = load(b, scale), load(b, bias)
        hats, diffs = variable(b, hat), variable(b, given)
        with Loop(b, arguments[3], [hats, diffs], [PIXEL, PIXEL]):
            value = load(b, b.load(hats, typ=POINTER))
            _accumulate(b, slots, _masked(b, load(b, b.load(diffs, typ=POINTER)), value, scale, bias, literal), value)
        _keep(b, places, slots)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(literal), *[types.intp] * 6), codegen


@intrinsic
def _normalize_line(
    _context: Any, x: Any, x_hat: Any, y: Any, pixels: Any, mean: Any, inverse: Any, factor: Any, shift: Any,
    relu: Any, wanted: Any,
) -> Any:  # fmt: skip
    """x_hat = (x - mean) * inverse, and y if wanted."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, hat, top, *vectors = pointers(b, (*arguments[:3], *arguments[4:8]))
        middle, inverse, scale, bias = (load(b, v) for v in vectors)
        zero = ir.Constant(ir.IntType(64), 0)
        floor = b.select(b.icmp_signed("!=", arguments[8], zero), constant(0), constant(float("-inf")))
        slots = [variable(b, p) for p in (source, hat, top)]
        with Loop(b, arguments[3], slots, [PIXEL] * 3):
            places = [b.load(slot, typ=POINTER) for slot in slots]
            value = b.fmul(b.fsub(load(b, places[0]), middle), inverse)
            store(b, value, places[1])
            with b.if_then(b.icmp_signed("!=", arguments[9], zero)):
                store(b, clip_below(b, b.fadd(b.fmul(value, scale), bias), floor), places[2])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 10), codegen


@intrinsic
def _gradient_line(
    _context: Any, relu: Any, x_hat: Any, dy: Any, dx: Any, pixels: Any, means: Any, slope: Any, factor: Any,
    shift: Any,
) -> Any:  # fmt: skip
    """dx = slope * (g - means[0] - x_hat * means[1]); means and slope are vectors."""
    literal = relu.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        hat, given, target, mean_at, slope_at, scale_at, bias_at = pointers(b, (*arguments[1:4], *arguments[5:]))
        constant_part, linear = load(b, mean_at), load(b, mean_at, VECTOR_BYTES)
        slope, scale, bias = load(b, slope_at), load(b, scale_at), load(b, bias_at)
        slots = [variable(b, p) for p in (hat, given, target)]
        with Loop(b, arguments[4], slots, [PIXEL] * 3):
            places = [b.load(slot, typ=POINTER) for slot in slots]
            value = load(b, places[0])
            g = _masked(b, load(b, places[1]), value, scale, bias, literal)
            rest = b.fsub(b.fsub(g, constant_part), b.fmul(value, linear))
            store(b, b.fmul(slope, rest), places[2])
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(literal), *[types.intp] * 8), codegen


# ---------------------------------------------------------------- whole blobs


@intrinsic
def _doubles_at(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return types.CPointer(types.float64)(types.intp), codegen


@kernel
def _cleared(place: int) -> int:
    sums = _carray(_doubles_at(place), (32,))
    for i in range(32):
        sums[i] = 0
    return place


@kernel
def _over_images(sums: int, images: int, blocks: int, block: int) -> int:
    """Add a block's sums of all images to those of the first, in order; their place."""
    total = _carray(_doubles_at(sums + block * 256), (32,))
    for n in range(1, images):
        part = _carray(_doubles_at(sums + (n * blocks + block) * 256), (32,))
        for i in range(32):
            total[i] += part[i]
    return sums + block * 256


@entry
def _moment_sums(row: int, tid: int, nth: int) -> None:
    x, image, plane, step = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    images, blocks, height, width = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
    for item in range(images * blocks * tid // nth, images * blocks * (tid + 1) // nth):
        place = _cleared(arg(row, 8) + item * 256)
        source = x + item // blocks * image + item % blocks * plane
        for line in range(height):
            _add_moments(source + line * step, width, place)


@entry
def _moments(row: int, tid: int, nth: int) -> None:
    images, blocks, count, channels = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    fraction, eps = float_of(row, 10), float_of(row, 11)
    stored_mean, stored_variance = floats(arg(row, 7), channels), floats(arg(row, 8), channels)
    for block in range(blocks * tid // nth, blocks * (tid + 1) // nth):
        sums = _carray(_doubles_at(_over_images(arg(row, 4), images, blocks, block)), (32,))
        mean, inverse = floats(arg(row, 5) + block * 64, 16), floats(arg(row, 6) + block * 64, 16)
        for lane in range(16):
            middle = sums[lane] / count
            variance = max(sums[16 + lane] / count - middle * middle, 0.0)
            mean[lane] = middle
            inverse[lane] = 1.0 / math.sqrt(variance + eps)
            c = block * 16 + lane
            if c < channels:
                unbiased = variance * (count / (count - 1.0)) if count > 1 else variance
                stored_mean[c] = fraction * stored_mean[c] + middle
                stored_variance[c] = fraction * stored_variance[c] + unbiased
    if tid == 0:
        factor = floats(arg(row, 9), 1)
        factor[0] = fraction * factor[0] + 1


@entry
def _normalize(row: int, tid: int, nth: int) -> None:
    x, x_image, x_plane, x_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    hat, hat_image, hat_plane, hat_line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
    y, y_image, y_plane, y_line = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
    images, blocks, height, width = arg(row, 12), arg(row, 13), arg(row, 14), arg(row, 15)
    items = images * blocks
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // blocks, item % blocks
        for line in range(height):
            _normalize_line(
                x + n * x_image + block * x_plane + line * x_line,
                hat + n * hat_image + block * hat_plane + line * hat_line,
                y + n * y_image + block * y_plane + line * y_line, width,
                arg(row, 16) + block * 64, arg(row, 17) + block * 64, arg(row, 18) + block * 64,
                arg(row, 19) + block * 64, arg(row, 20), arg(row, 21),
            )  # fmt: skip


@functools.cache
def _gradient_sums(relu: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        hat, hat_image, hat_plane, hat_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
        dy, dy_image, dy_plane, dy_line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
        images, blocks, height, width = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        for item in range(images * blocks * tid // nth, images * blocks * (tid + 1) // nth):
            n, block = item // blocks, item % blocks
            place = _cleared(arg(row, 12) + item * 256)
            for line in range(height):
                _add_gradients(
                    relu, hat + n * hat_image + block * hat_plane + line * hat_line,
                    dy + n * dy_image + block * dy_plane + line * dy_line, width, place,
                    arg(row, 13) + block * 64, arg(row, 14) + block * 64,
                )  # fmt: skip

    return body


@entry
def _gradient_means(row: int, tid: int, nth: int) -> None:
    """Scale's gradients; the place of a block's sums takes the means and the slope: three vectors of floats."""
    images, blocks, count, channels = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    scale, bias = arg(row, 7), arg(row, 8)
    for block in range(blocks * tid // nth, blocks * (tid + 1) // nth):
        place = _over_images(arg(row, 4), images, blocks, block)
        sums = _carray(_doubles_at(place), (32,))
        for lane in range(min(16, channels - block * 16)):
            if scale != 0:
                floats(scale, channels)[block * 16 + lane] += sums[16 + lane]
            if bias != 0:
                floats(bias, channels)[block * 16 + lane] += sums[lane]
        inverse, factor = floats(arg(row, 5) + block * 64, 16), floats(arg(row, 6) + block * 64, 16)
        vectors = floats(place, 48)
        means = sums / count
        for lane in range(16):
            vectors[lane] = means[lane]
            vectors[16 + lane] = means[16 + lane]
            vectors[32 + lane] = factor[lane] * inverse[lane]


@functools.cache
def _gradient(relu: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        hat, hat_image, hat_plane, hat_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
        dy, dy_image, dy_plane, dy_line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
        dx, dx_image, dx_plane, dx_line = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        images, blocks, height, width = arg(row, 12), arg(row, 13), arg(row, 14), arg(row, 15)
        for item in range(images * blocks * tid // nth, images * blocks * (tid + 1) // nth):
            n, block = item // blocks, item % blocks
            place = arg(row, 16) + block * 256
            for line in range(height):
                _gradient_line(
                    relu, hat + n * hat_image + block * hat_plane + line * hat_line,
                    dy + n * dy_image + block * dy_plane + line * dy_line,
                    dx + n * dx_image + block * dx_plane + line * dx_line, width, place, place + 128,
                    arg(row, 17) + block * 64, arg(row, 18) + block * 64,
                )  # fmt: skip

    return body
