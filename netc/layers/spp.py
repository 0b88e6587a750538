"""Spatial pyramid pooling: a vector of one length whatever the image's size (He et al. 2014).

Computes:
    For each level l = 0 .. `pyramid_height` - 1, Pooling over a grid of 2^l x 2^l windows that together cover the
    image; the levels' results, flattened, one after the other.

Shapes:
    num x (channels * the sum of windows over the levels); with one level num x channels x 1 x 1.

Gradient:
    That of Pooling, added up over the levels.

Caffe notes:
    A level's windows are ceil(size / 2^l) cells long and as far apart; the cells that are missing are padded, (missing
    + 1) / 2 at each end. A level whose padding reaches its kernel is refused (an image too small for the level).
    AVE counts padded cells, as Pooling does.
"""

from dataclasses import dataclass

from netc.kernels.pooling import Planes, pool, pool_back
from netc.kernels.windows import Axis, pooled
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    UNSUPPORTED,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Shape,
    Site,
    Window,
    format_shape,
)
from netc.role import Role


@dataclass(frozen=True, slots=True)
class SppGeometry:
    """The windows of each level, and where its values stand in a row of the top."""

    levels: tuple[Planes, ...]
    starts: tuple[int, ...]
    channels: int

    def part(self, row: Array, level: int) -> Array:
        """A level's values in one image's row of the top, as channels x windows."""
        planes = self.levels[level]
        windows = planes.height.out * planes.width.out
        return row[self.starts[level] : self.starts[level] + self.channels * windows].reshape(self.channels, windows)


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) != 4 or 0 in bottom[1:]:
        shape = format_shape(bottom)
        site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but its bottom is {shape}", "bottom")
    if not p.pyramid_height:
        site.refuse(MISSING_FIELD, "needs pyramid_height, the number of levels", "pyramid_height")
    levels = tuple(_level(site, bottom, level) for level in range(p.pyramid_height))
    g = SppGeometry(levels, _starts(levels, bottom[1]), bottom[1])
    top: Shape = (bottom[0], g.starts[-1])
    if p.pyramid_height == 1:
        top = (*bottom[:2], levels[0].height.out, levels[0].width.out)
    chosen = p.pool == "MAX" or (p.pool == "STOCHASTIC" and site.phase == "TRAIN")
    return Setup(
        tops=(top,),
        buffers=(Buffer("offsets", (bottom[0], g.starts[-1]), levels[0].offset_type),) if chosen else (),
        reads=("x", "y") if p.pool == "STOCHASTIC" and not chosen else (),
        random=p.pool == "STOCHASTIC" and chosen,
        window=Window(whole=True),
        geometry=g,
    )


def _level(site: Site, bottom: Shape, level: int) -> Planes:
    bins = 2**level
    kernels = [-(-size // bins) for size in bottom[2:]]
    pads = [(kernel * bins - size + 1) // 2 for kernel, size in zip(kernels, bottom[2:], strict=True)]
    for kernel, pad, size in zip(kernels, pads, bottom[2:], strict=True):
        if pad >= kernel:
            message = f"level {level} needs pad {pad} for a kernel of {kernel} over {size} cells; take fewer levels"
            site.refuse(BAD_FIELD, message, "pyramid_height")
    if any(pads) and site.p.pool == "STOCHASTIC":
        message = f"level {level} needs padding, which STOCHASTIC does not have; take a multiple of {bins} cells"
        site.refuse(UNSUPPORTED, message, "pool")
    height, width = (_axis(*each, any(pads)) for each in zip(bottom[2:], kernels, pads, strict=True))
    return Planes.of(height, width)


def _axis(size: int, kernel: int, pad: int, any_pad: bool) -> Axis:
    return pooled(size, kernel, kernel, pad, rounding="CEIL", any_pad=any_pad)


def _starts(levels: tuple[Planes, ...], channels: int) -> tuple[int, ...]:
    starts = [0]
    for planes in levels:
        starts.append(starts[-1] + channels * planes.height.out * planes.width.out)
    return tuple(starts)


def forward(call: Call) -> None:
    g = call.known(SppGeometry)
    rows = call.tops[0].reshape(len(call.tops[0]), -1)
    offsets = call.buffers.get("offsets")
    for n, (x, row) in enumerate(zip(call.bottoms[0], rows, strict=True)):
        for level, planes in enumerate(g.levels):
            chosen = None if offsets is None else g.part(offsets[n], level)
            draws = (call.seed, call.stream, call.iteration, n * g.starts[-1] + g.starts[level])
            pool(planes, call.p.pool, x, g.part(row, level), chosen, draws)


def backward(call: Call) -> None:
    g = call.known(SppGeometry)
    if (bottom_diff := call.bottom_diffs[0]) is None:
        return
    bottom_diff[...] = 0
    diffs, rows = (a.reshape(len(a), -1) for a in (call.top_diffs[0], call.tops[0]))
    offsets = call.buffers.get("offsets")
    for n, (dx, x) in enumerate(zip(bottom_diff, call.bottoms[0], strict=True)):
        for level, planes in enumerate(g.levels):
            chosen = None if offsets is None else g.part(offsets[n], level)
            pool_back(planes, call.p.pool, dx, g.part(diffs[n], level), chosen, x, g.part(rows[n], level))


_DISTINCT = (Input((2, 3, 6, 7), "distinct"),)
_POSITIVE = (Input((2, 3, 4, 6), "uniform", 0.1, 1.0),)

SPP = LayerType(
    "SPP",
    __doc__,
    setup,
    forward,
    backward,
    param="spp_param",
    role=Role("pooling"),
    examples=(
        Example("spp_param { pyramid_height: 3 }", inputs=_DISTINCT),
        Example("spp_param { pyramid_height: 1 }", inputs=_DISTINCT),
        Example("spp_param { pyramid_height: 3 pool: AVE }", inputs=_DISTINCT),
        Example(
            "spp_param { pyramid_height: 2 pool: STOCHASTIC }",
            inputs=_POSITIVE,
            gradient=False,
            note="A draw jumps where a cell's value changes.",
        ),
        Example("spp_param { pyramid_height: 2 pool: STOCHASTIC }", inputs=_POSITIVE, phase="TEST"),
    ),
    refuses=(
        Refused(MISSING_FIELD, "spp_param { pool: MAX }"),
        Refused(BAD_BOTTOM_SHAPE, "spp_param { pyramid_height: 2 }", bottoms=((2, 3, 4),)),
        Refused(BAD_FIELD, "spp_param { pyramid_height: 3 }", bottoms=((2, 3, 5, 5),)),
        Refused(UNSUPPORTED, "spp_param { pyramid_height: 2 pool: STOCHASTIC }", bottoms=((2, 3, 7, 8),)),
    ),
)
