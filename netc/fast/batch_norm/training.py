"""BatchNorm in training, and the Scale and ReLU that follow it: two passes each way.

Forward goes over the bottom twice: moments, then x-hat and y together. Backward goes over the diff twice: sums of g and
g x-hat (g being dy where ReLU passed it on), which are the gradients of Scale's bias and factor too, then
dx = factor / std * (g - mean(g) - x-hat mean(g x-hat)). Every pass shares its work by images, as convolutions do, and a
thread's pixels stay near its core. Where the statistics are stored ones (`use_global_stats`), they depend on no x:
there are no moments, and dx = factor / std * g.

The three layers are one step, forward and backward, at BatchNorm's place in the plan. Not with `keep`, where every
gradient in between is asked for.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

from netc.fast.batch_norm import still
from netc.fast.batch_norm.affine import Affine
from netc.fast.batch_norm.lines import add_moments, gradient_line, normalize_line
from netc.fast.batch_norm.sums import (
    SUMS_BYTES,
    Batch,
    add_gradients_of,
    cleared,
    doubles_at,
    gradient_sums,
    over_images,
    sums_of,
)
from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import NO_BLOB, Blocked
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.operands import Entry, Read, Update, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.fuse import is_plain_relu, only_reader
from netc.jit import carray
from netc.kernels.geometry import BatchNormGeometry
from netc.plan.model import Step

# ---------------------------------------------------------------- forward


@entry
def _moment_sums(tid: int, nth: int, x: Read[Blocked], sums: Write[Region]) -> None:
    """sums = those of x and x^2, of each image's blocks."""
    for item in share(x.n * x.blocks, tid, nth):
        place = cleared(sums + item * 256)
        for line in range(x.h):
            add_moments(line_at(x, (item // x.blocks, item % x.blocks, line)), x.w, place)


@entry
def _moments(
    tid: int, nth: int, sums: Update[Region], batch: Batch, mean: Write[Region], inverse: Write[Region],
    stored_mean: Update[Region], stored_variance: Update[Region], stored_weight: Update[Region], fraction: float,
    eps: float,
) -> None:  # fmt: skip
    """mean and inverse = the batch's means and 1 / standard deviations; also updates the stored sums of both."""
    count, channels = batch.values, batch.channels
    means, variances = floats(stored_mean, channels), floats(stored_variance, channels)
    for block in share(batch.blocks, tid, nth):
        total = carray(doubles_at(over_images(sums, batch.images, batch.blocks, block)), (32,))
        middles, inverses = floats(mean + block * 64, 16), floats(inverse + block * 64, 16)
        for lane in range(16):
            middle = total[lane] / count
            variance = max(total[16 + lane] / count - middle * middle, 0.0)
            middles[lane] = middle
            inverses[lane] = 1.0 / math.sqrt(variance + eps)
            c = block * 16 + lane
            if c < channels:
                unbiased = variance * (count / (count - 1.0)) if count > 1 else variance
                means[c] = fraction * means[c] + middle
                variances[c] = fraction * variances[c] + unbiased
    if tid == 0:
        weight = floats(stored_weight, 1)
        weight[0] = fraction * weight[0] + 1


@entry
def _stored(
    tid: int, nth: int, mean: Write[Region], inverse: Write[Region], slopes: Write[Region], factor: Read[Region],
    stored_mean: Read[Region], stored_variance: Read[Region], stored_weight: Read[Region], channels: int, eps: float,
) -> None:  # fmt: skip
    """mean and inverse from the stored sums of both, and slopes = factor * inverse."""
    if tid > 0:
        return
    lanes = (channels + 15) // 16 * 16
    means, inverses, products = floats(mean, lanes), floats(inverse, lanes), floats(slopes, lanes)
    weight = floats(stored_weight, 1)[0]
    part = 0.0 if weight == 0 else 1.0 / weight
    for c in range(lanes):
        known = c < channels
        means[c] = floats(stored_mean, channels)[c] * part if known else 0.0
        inverses[c] = 1.0 / math.sqrt(floats(stored_variance, channels)[c] * part + eps) if known else 0.0
        products[c] = inverses[c] * floats(factor, lanes)[c]


@entry
def _normalize(
    tid: int, nth: int, x: Read[Blocked], x_hat: Write[Blocked], y: Write[Blocked], mean: Read[Region],
    inverse: Read[Region], factor: Read[Region], shift: Read[Region], relu: bool,
) -> None:  # fmt: skip
    """x_hat, and y = x_hat * factor + shift (clipped at 0) unless nothing follows; x_hat may be x."""
    for item in share(x.n * x.blocks, tid, nth):
        n, block = item // x.blocks, item % x.blocks
        move = block * 64
        for line in range(x.h):
            at = n, block, line
            normalize_line(
                line_at(x, at), line_at(x_hat, at), line_at(y, at), x.w, mean + move, inverse + move, factor + move,
                shift + move, relu,
            )  # fmt: skip


# ---------------------------------------------------------------- backward


@entry
def _gradient_means(
    tid: int, nth: int, sums: Update[Region], batch: Batch, inverse: Read[Region], factor: Read[Region],
    scale_gradient: Update[Region], bias_gradient: Update[Region],
) -> None:  # fmt: skip
    """Scale's gradients; the place of a block's sums takes the means and the slope: three vectors of floats."""
    count, channels = batch.values, batch.channels
    for block in share(batch.blocks, tid, nth):
        place = over_images(sums, batch.images, batch.blocks, block)
        total = carray(doubles_at(place), (32,))
        add_gradients_of(block, place, channels, scale_gradient, bias_gradient)
        inverses, factors = floats(inverse + block * 64, 16), floats(factor + block * 64, 16)
        vectors = floats(place, 48)
        for lane in range(16):  # a vector is where sums were that have been read
            vectors[lane] = total[lane] / count
        for lane in range(16):
            vectors[16 + lane] = total[16 + lane] / count
        for lane in range(16):
            vectors[32 + lane] = factors[lane] * inverses[lane]


@functools.cache
def _gradient(relu: bool) -> Entry[...]:
    """dx, with what `_gradient_means` left for each block."""
    number = int(relu)

    @entry
    def body(
        tid: int, nth: int, x_hat: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], means: Read[Region],
        factor: Read[Region], shift: Read[Region],
    ) -> None:  # fmt: skip
        for item in share(dx.n * dx.blocks, tid, nth):
            n, block = item // dx.blocks, item % dx.blocks
            for line in range(dx.h):
                at = n, block, line
                gradient_line(
                    number, line_at(x_hat, at), line_at(dy, at), line_at(dx, at), dx.w, means + block * 256,
                    factor + block * 64, shift + block * 64,
                )  # fmt: skip

    return body


# ---------------------------------------------------------------- the layers


@dataclass(frozen=True, slots=True)
class Kept:
    """What backward needs of forward: means and 1 / standard deviations in blocks, and what Scale does.

    slopes: dx / g, where it depends on parameters alone.
    """

    mean: Region
    inverse: Region
    affine: Affine
    slopes: Region = NOTHING


def accepts(b: Builder, layer: int) -> bool:
    """Whether the layer is a BatchNorm in training."""
    if b.plan.graph.nodes[layer].type.name != "BatchNorm":
        return False
    g = b.planned(layer).setup.known(BatchNormGeometry)
    return (not g.stored or b.planned(layer).needs_backward) and not g.affine and not b.keep


def _is_stored(b: Builder, layer: int) -> bool:
    return b.planned(layer).setup.known(BatchNormGeometry).stored


def absorb(b: Builder, head: int) -> None:
    """Let a BatchNorm do the Scale that follows, and with it a ReLU."""
    node = b.plan.graph.nodes[head]
    readers = b.plan.graph.values[node.tops[0]].consumers
    if len(readers) != 1 or any(node.loss_weights):
        return
    scale = readers[0][0]
    if b.plan.graph.nodes[scale].type.name != "Scale" or scale not in b.accepted:
        return
    if b.plan.backward_planned and not (b.planned(head).needs_backward and b.planned(scale).needs_backward):
        return  # no step backward would be the BatchNorm's (nothing learns before it), or the Scale's
    b.fused[scale] = head
    relu = only_reader(b, scale)
    if relu is not None and relu in b.accepted and is_plain_relu(b, relu):
        b.fused[relu] = head


def _followers(b: Builder, layer: int) -> tuple[int | None, bool]:
    """The Scale layer that is done here, and whether a ReLU is."""
    relu = [is_plain_relu(b, other) for other in b.absorbed(layer)]
    return (b.absorbed(layer)[0] if relu and not relu[0] else None), any(relu)


def forward(b: Builder, layer: int) -> None:
    x, last = b.read(b.bottom(layer)), b.last_of(layer)
    scale, relu = _followers(b, layer)
    if not b.recomputing:  # else the statistics are there, and must not be counted twice
        b.notes[layer] = _statistics(b, layer, x, scale)
    kept: Kept = b.notes[layer]
    x_hat, y = b.write(b.top(layer)), b.write(b.top(last)) if last != layer else NO_BLOB
    factor, shift = kept.affine.factor, kept.affine.shift
    launch = _normalize(
        x=x, x_hat=x_hat, y=y, mean=kept.mean, inverse=kept.inverse, factor=factor, shift=shift, relu=relu
    )
    b.emit(launch, "normalize")


def _statistics(b: Builder, layer: int, x: Blocked, scale: int | None) -> Kept:
    fields: Any = b.plan.graph.nodes[layer].record.batch_norm_param
    factor, shift, mean, inverse = (
        b.new(name, Affine.nbytes(x.c)) for name in ("factors", "shifts", "means", "deviations")
    )
    affine = Affine(factor, shift, x.c)
    b.emit(affine.start(), "factors")
    if scale is not None:
        bias = b.param(scale, 1) if len(b.planned(scale).params) > 1 else NOTHING
        b.emit(affine.scale(b.param(scale, 0), bias), "factors")
    stored = {f"stored_{name}": b.param(layer, i) for i, name in enumerate(("mean", "variance", "weight"))}
    if _is_stored(b, layer):
        slopes = b.new("slopes", Affine.nbytes(x.c))
        b.emit(
            _stored(mean=mean, inverse=inverse, slopes=slopes, factor=factor, channels=x.c, eps=fields.eps, **stored),
            "factors",
        )
        return Kept(mean, inverse, affine, slopes)
    sums, batch = sums_of(b, x)
    moments = _moments(
        sums=sums, batch=batch, mean=mean, inverse=inverse, fraction=fields.moving_average_fraction, eps=fields.eps,
        **stored,
    )  # fmt: skip
    b.emit([_moment_sums(x=x, sums=sums), moments], "moments")
    return Kept(mean, inverse, affine)


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    kept: Kept = b.notes[layer]
    factor, shift = kept.affine.factor, kept.affine.shift
    given = b.plan.diff[b.plan.graph.nodes[b.last_of(layer)].tops[0]]
    assert given is not None
    scale, relu = _followers(b, layer)
    wanted = [NOTHING, NOTHING]
    if scale is not None:
        for i in range(len(b.planned(scale).params)):
            wanted[i] = b.param_gradient(scale, i) or NOTHING
    if _is_stored(b, layer):
        seen = b.read(b.top(layer)) if any(wanted) or relu else None
        still.gradients(b, seen, given, target, kept.affine, kept.slopes, (wanted[0], wanted[1]), relu)
        return
    x_hat, dy = b.read(b.top(layer)), b.read(given)
    sums, batch = sums_of(b, x_hat)
    launches = [
        gradient_sums(relu)(x_hat=x_hat, dy=dy, sums=sums, factor=factor, shift=shift),
        _gradient_means(
            sums=sums, batch=batch, inverse=kept.inverse, factor=factor, scale_gradient=wanted[0],
            bias_gradient=wanted[1],
        ),
    ]  # fmt: skip
    if target is not None:
        dx, means = b.write(target), sums.part(0, batch.blocks * SUMS_BYTES)
        launches.append(_gradient(relu)(x_hat=x_hat, dy=dy, dx=dx, means=means, factor=factor, shift=shift))
    b.emit(launches, "normalize gradient")
