"""Parametric rectified linear unit (He et al. 2015).

Computes:
    y = x for x > 0, y = a x otherwise, with one learned slope a for each channel, or one for all (`channel_shared`).

Shapes:
    The top has the bottom's shape; channels are its axis 1.

Gradient:
    dx = dy for x > 0, dx = a dy otherwise; da = the sum of x dy over x <= 0.

Caffe notes:
    The slopes start at 0.25 unless `filler` says otherwise.
"""

from netc.jit import kernel
from netc.layer import BAD_BOTTOM_SHAPE, Array, Call, Example, Input, LayerType, ParamBlob, Refused, Setup, Site, flat
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) < 2:
        site.refuse(BAD_BOTTOM_SHAPE, f"needs a bottom with at least 2 axes (num, channels); it has {len(bottom)}")
    slope = ParamBlob("slope", () if p.channel_shared else (bottom[1],), p.filler if p.has("filler") else 0.25)
    return Setup(tops=(bottom,), params=(slope,), reads=("x",), in_place=True)


@kernel
def _forward(x: Array, slope: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            a = slope[c % slope.size]
            for i in range(x.shape[2]):
                y[n, c, i] = x[n, c, i] if x[n, c, i] > 0 else a * x[n, c, i]


@kernel
def _slope_gradient(x: Array, dy: Array, sums: Array) -> None:
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(x.shape[2]):
                if x[n, c, i] <= 0:
                    sums[c % sums.size] += x[n, c, i] * dy[n, c, i]


@kernel
def _backward(x: Array, slope: Array, dy: Array, dx: Array) -> None:
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            a = slope[c % slope.size]
            for i in range(x.shape[2]):
                dx[n, c, i] = dy[n, c, i] if x[n, c, i] > 0 else a * dy[n, c, i]


def _channels(array: Array) -> Array:
    return flat(array, 1)


def forward(call: Call) -> None:
    _forward(_channels(call.bottoms[0]), call.params[0].reshape(-1), _channels(call.tops[0]))


def backward(call: Call) -> None:
    x, dy = _channels(call.bottoms[0]), _channels(call.top_diffs[0])
    if (da := call.param_diffs[0]) is not None:
        _slope_gradient(x, dy, da.reshape(-1))
    if (dx := call.bottom_diffs[0]) is not None:
        _backward(x, call.params[0].reshape(-1), dy, _channels(dx))


_LADDER = (Input((2, 3, 4), "distinct"),)

PRELU = LayerType(
    "PReLU",
    __doc__,
    setup,
    forward,
    backward,
    param="prelu_param",
    role=Role("activation", bends=True, space="same"),
    examples=(
        Example(inputs=_LADDER),
        Example("prelu_param { channel_shared: true }", inputs=_LADDER),
        Example('prelu_param { filler { type: "gaussian" } }', inputs=(Input((4, 3), "distinct"),)),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4,),)),),
)
