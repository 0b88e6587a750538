"""Pooling: one value for each window of a plane.

Computes:
    MAX: the largest cell of the window. AVE: the sum of its cells divided by its size.
    STOCHASTIC (Zeiler & Fergus 2013): in training one cell, drawn with probability proportional to its value; in
    testing what that gives on average, the sum of squares over the sum. Values must not be negative.

Shapes:
    Height and width become ceil((size + 2 pad - kernel) / stride) + 1 (`round_mode: FLOOR` rounds down); where there is
    padding, a last window that starts beyond size + pad is dropped. `global_pooling` takes the whole plane.
    `padding: SAME` and `VALID` follow TensorFlow: ceil(size / stride) and ceil((size - kernel + 1) / stride).
    A second top of MAX gets the chosen cell's index in its plane (height * width), as a float.

Gradient:
    MAX and STOCHASTIC give the diff of a window to the chosen cell, AVE gives each cell its share. Where the largest
    value occurs twice in a window, the first cell in reading order is the chosen one.

Caffe notes:
    Sizes round up by default (Convolution rounds down), so a kernel may reach over the end of a plane; it is then cut.
    AVE divides by the window's size before it is cut at the image, but after it is cut at height + pad: padded cells
    count, as in Caffe. With `padding: SAME` only cells of the image count, as in TensorFlow.
    A window without any cell (stride > kernel at the end of a plane) gives -FLT_MAX for MAX and 0 for AVE, mask -1, and
    no gradient. A NaN is the maximum only where it is the first cell of its window. `dilation` is Greentea's: window
    cells stand so many cells apart.
    Caffe has STOCHASTIC on the GPU only.
"""

from typing import Any

from netc.kernels.pooling import Planes, mask, pool, pool_back
from netc.kernels.windows import Axis, WindowError, check_fit, convolved, padding_of, per_axis, pooled, positive
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    KERNEL_TOO_LARGE,
    MISSING_FIELD,
    UNSUPPORTED,
    Arity,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    Window,
    format_shape,
)
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) != 4:
        shape = format_shape(bottom)
        site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but its bottom is {shape}", "bottom")
    if site.top_count > 1 and p.pool != "MAX":
        site.refuse(UNSUPPORTED, f"only MAX gives a mask as second top, not {p.pool}", "top")
    try:
        height, width = _axes(site, bottom[2:])
    except WindowError as error:
        site.refuse(KERNEL_TOO_LARGE if error.too_large else BAD_FIELD, str(error), error.field)
    planes = Planes.of(height, width, count_pad=p.padding == "EXPLICIT")
    top = (*bottom[:2], height.out, width.out)
    chosen = p.pool == "MAX" or (p.pool == "STOCHASTIC" and site.phase == "TRAIN")
    return Setup(
        tops=(top,) * site.top_count,
        buffers=(Buffer("offsets", top, planes.offset_type),) if chosen else (),
        reads=("x", "y") if p.pool == "STOCHASTIC" and not chosen else (),
        random=p.pool == "STOCHASTIC" and chosen,
        window=_window(height, width, p.global_pooling),
        geometry=planes,
    )


def _window(height: Axis, width: Axis, whole: bool) -> Window:
    if whole:
        return Window(whole=True)
    axes = (height, width)
    return Window(
        tuple(a.kernel for a in axes),
        tuple(a.stride for a in axes),
        tuple(a.before for a in axes),
        tuple(a.dilation for a in axes),
    )


# ---------------------------------------------------------------- fields


def _axes(site: Site, sizes: tuple[int, ...]) -> tuple[Axis, Axis]:
    p = site.p
    kernel = _kernel(site, sizes)
    stride, pad = _pair(p, "stride"), _pair(p, "pad")
    positive(_written(p, "stride"), stride)
    dilation = per_axis(p, "dilation", None, 2, 1)
    positive("dilation", dilation)
    padding = padding_of(p, "round_mode", "global_pooling")
    if padding:
        if p.pool == "STOCHASTIC":
            raise WindowError("padding", "padding is for MAX and AVE")
        same = [convolved(*each, padding) for each in zip(sizes, kernel, stride, (0, 0), dilation, strict=True)]
        check_fit(tuple(same), "kernel_size")
        return same[0], same[1]
    _check_pad(site, kernel, stride, pad)
    rounding, any_pad = p.round_mode, any(pad)
    axes = [
        pooled(*each, rounding=rounding, dilation=step, any_pad=any_pad)
        for *each, step in zip(sizes, kernel, stride, pad, dilation, strict=True)
    ]
    check_fit(tuple(axes), _written(p, "kernel"))
    for axis in axes:
        if axis.extent > axis.size + 2 * axis.before:
            site.warn(
                KERNEL_TOO_LARGE,
                f"a kernel of {axis.extent} reaches over its padded input of {axis.size + 2 * axis.before}; "
                "sizes round up, so there is one window, cut at the end",
                _written(p, "kernel"),
            )
    return axes[0], axes[1]


def _kernel(site: Site, sizes: tuple[int, ...]) -> tuple[int, int]:
    p = site.p
    given = [name for name in ("kernel_size", "kernel_h", "kernel_w") if p.has(name)]
    if p.global_pooling:
        if given:
            raise WindowError(given[0], f"global_pooling takes the whole plane; {given[0]} cannot be given as well")
        return sizes[0], sizes[1]
    if given not in (["kernel_size"], ["kernel_h", "kernel_w"]):
        if not given:
            site.refuse(
                MISSING_FIELD,
                "needs kernel_size, or kernel_h and kernel_w, or global_pooling",
                "pool",
                help=MISSING_FIELD.fix,
            )
        raise WindowError(given[-1], "give either kernel_size, or both kernel_h and kernel_w")
    kernel = (p.kernel_size, p.kernel_size) if p.has("kernel_size") else (p.kernel_h, p.kernel_w)
    positive(given[0], kernel)
    return kernel


def _pair(p: Any, name: str) -> tuple[int, int]:
    """`stride` or `pad` for both axes, from `name`, or `name_h` and `name_w`."""
    both = [n for n in (f"{name}_h", f"{name}_w") if p.has(n)]
    if not both:
        value = int(getattr(p, name))
        return value, value
    if len(both) != 2 or p.has(name):
        raise WindowError(both[0], f"give either {name}, or both {name}_h and {name}_w")
    return int(getattr(p, both[0])), int(getattr(p, both[1]))


def _check_pad(site: Site, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]) -> None:
    p = site.p
    field = _written(p, "pad")
    if p.global_pooling and (any(pad) or stride != (1, 1)):
        raise WindowError("global_pooling", "global_pooling goes with pad 0 and stride 1 only")
    if any(pad) and p.pool == "STOCHASTIC":
        raise WindowError(field, "padding is for MAX and AVE, not STOCHASTIC")
    if any(pad) and (pad[0] >= kernel[0] or pad[1] >= kernel[1]):
        raise WindowError(field, f"pad {pad[0]}, {pad[1]} must be smaller than the kernel {kernel[0]}, {kernel[1]}")


def _written(p: Any, name: str) -> str:
    for field in (f"{name}_h", f"{name}_w"):
        if p.has(field):
            return field
    return "kernel_size" if name == "kernel" else name


# ---------------------------------------------------------------- kernels


def forward(call: Call) -> None:
    offsets = call.buffers.get("offsets")
    draws = (call.seed, call.stream, call.iteration, 0)
    pool(call.known(Planes), call.p.pool, call.bottoms[0], call.tops[0], offsets, draws)
    if len(call.tops) > 1:
        mask(call.known(Planes), call.buffers["offsets"], call.tops[1])


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        dx[...] = 0
        offsets = call.buffers.get("offsets")
        pool_back(call.known(Planes), call.p.pool, dx, call.top_diffs[0], offsets, call.bottoms[0], call.tops[0])


_DISTINCT = (Input((2, 3, 5, 6), "distinct"),)
_POSITIVE = (Input((2, 3, 5, 6), "uniform", 0.1, 1.0),)


def _example(
    fields: str, inputs: tuple[Input, ...] = _DISTINCT, tops: int = 1, gradient: bool = True, note: str = ""
) -> Example:
    return Example(f"pooling_param {{ {fields} }}", inputs=inputs, tops=tops, gradient=gradient, note=note)


def _refused(fields: str) -> Refused:
    return Refused(BAD_FIELD, f"pooling_param {{ {fields} }}")


POOLING = LayerType(
    "Pooling",
    __doc__,
    setup,
    forward,
    backward,
    param="pooling_param",
    tops=Arity(1, 2),
    role=Role(
        "pooling",
        space="window",
        called={
            "adaptiveavgpool": "with `pooling_param { pool: AVE global_pooling: true }`",
            "averagepooling": "with `pooling_param { pool: AVE }`",
            "avgpool": "with `pooling_param { pool: AVE }`",
            "avgpooling": "with `pooling_param { pool: AVE }`",
            "globalaveragepooling": "with `pooling_param { pool: AVE global_pooling: true }`",
            "globalmaxpooling": "with `pooling_param { global_pooling: true }`",
            "globalpooling": "with `pooling_param { global_pooling: true }`",
            "maxpool": "(pool: MAX is its default)",
            "maxpooling": "(pool: MAX is its default)",
            "pool": "",
        },
    ),
    examples=(
        _example("pool: MAX kernel_size: 3 stride: 2"),
        _example("pool: MAX kernel_size: 3 stride: 2 round_mode: FLOOR"),
        _example("pool: MAX kernel_size: 2 stride: 2", tops=2, gradient=False, note="The mask has no derivative."),
        _example("pool: MAX kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0"),
        _example("pool: MAX global_pooling: true"),
        _example("pool: MAX kernel_size: 17 stride: 4 pad: 8", (Input((1, 2, 18, 19), "distinct"),)),
        _example(
            "pool: MAX kernel_size: 1 stride: 3",
            (Input((1, 2, 5, 4), "distinct"),),
            gradient=False,
            note="An empty window gives -FLT_MAX, in which differences drown.",
        ),
        _example("pool: AVE kernel_size: 3 stride: 2 pad: 1"),
        _example("pool: AVE kernel_size: 3 stride: 2 pad: 2 round_mode: FLOOR"),
        _example("pool: AVE kernel_size: 2 stride: 3"),
        _example("pool: AVE global_pooling: true"),
        _example("pool: MAX kernel_size: 3 stride: 2 padding: SAME"),
        _example("pool: AVE kernel_size: 2 padding: SAME"),
        _example("pool: AVE kernel_size: 3 stride: 2 padding: VALID"),
        _example("pool: MAX kernel_size: 2 dilation: 2 stride: 2 pad: 1"),
        _example("pool: AVE kernel_size: 2 dilation: 1 dilation: 3"),
        _example("pool: AVE kernel_size: 2 dilation: 2 padding: SAME"),
        _example("pool: STOCHASTIC kernel_size: 3 stride: 2", _POSITIVE, gradient=False, note="The draw has a kink."),
        Example("pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }", inputs=_POSITIVE, phase="TEST"),
    ),
    refuses=(
        Refused(MISSING_FIELD, "pooling_param { pool: MAX }"),
        Refused(KERNEL_TOO_LARGE, "pooling_param { kernel_size: 9 }"),
        Refused(BAD_BOTTOM_SHAPE, "pooling_param { kernel_size: 2 }", bottoms=((2, 3, 4),)),
        Refused(UNSUPPORTED, "pooling_param { pool: AVE kernel_size: 2 }", tops=2),
        _refused("kernel_size: 0"),
        _refused("kernel_h: 3"),
        _refused("kernel_size: 3 kernel_h: 3 kernel_w: 3"),
        _refused("kernel_size: 2 stride: 0"),
        _refused("kernel_size: 2 stride: 2 stride_h: 2 stride_w: 2"),
        _refused("kernel_size: 2 dilation: 0"),
        _refused("kernel_size: 2 pad_h: 1"),
        _refused("kernel_size: 2 pad: 2"),
        _refused("kernel_size: 2 global_pooling: true"),
        _refused("global_pooling: true stride: 2"),
        _refused("pool: STOCHASTIC kernel_size: 2 pad: 1"),
        _refused("kernel_size: 2 pad: 1 padding: SAME"),
        _refused("kernel_size: 2 round_mode: FLOOR padding: SAME"),
    ),
)
