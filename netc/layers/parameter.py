"""Parameter: a learned blob that is a value of the net.

Computes:
    y = the parameter.

Shapes:
    `shape`; the parameter has it too.

Gradient:
    The parameter's gradient is dy.

Caffe notes:
    The parameter starts at 0, as in Caffe, unless `filler`, which Caffe does not have, says otherwise. With
    `filler { type: "image" source: "cat.jpg" }` it starts as an image, and what is learned is an image: so is style
    transfer, and what a class looks like. `param { lr_mult: 0 }` keeps it as it is.
"""

from netc.layer import BAD_FIELD, NONE, Call, Example, LayerType, ParamBlob, Refused, Setup, Site, format_shape
from netc.role import Role


def setup(site: Site) -> Setup:
    shape = tuple(int(dim) for dim in site.p.shape.dim)
    if any(dim < 1 for dim in shape):
        site.refuse(BAD_FIELD, f"shape {format_shape(shape)}: every dim must be at least 1", "shape")
    start = site.p.filler if site.p.has("filler") else 0.0
    return Setup(tops=(shape,), params=(ParamBlob("value", shape, start),), reads=())


def forward(call: Call) -> None:
    call.tops[0][...] = call.params[0]


def backward(call: Call) -> None:
    diff = call.param_diffs[0]
    if diff is not None:
        diff += call.top_diffs[0]


PARAMETER = LayerType(
    "Parameter",
    __doc__,
    setup,
    forward,
    backward,
    param="parameter_param",
    bottoms=NONE,
    role=Role("source"),
    examples=(
        Example("parameter_param { shape { dim: 3 dim: 4 } }", inputs=()),
        Example("parameter_param { shape { } }", inputs=()),
        Example('parameter_param { shape { dim: 2 dim: 3 } filler { type: "gaussian" std: 0.1 } }', inputs=()),
    ),
    refuses=(Refused(BAD_FIELD, "parameter_param { shape { dim: 3 dim: 0 } }", bottoms=()),),
)
