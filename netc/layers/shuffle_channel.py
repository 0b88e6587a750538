"""ShuffleChannel: mixes channels between groups (ShuffleNet, Zhang et al. 2017).

Computes:
    The channels as a table of `group` rows and channels / group columns, read column by column:
    y[n, j * group + i] = x[n, i * channels / group + j].

Shapes:
    The top has the bottom's shape.

Gradient:
    dx is dy with the channels put back.

Caffe notes:
    A layer of the ShuffleNet forks.
"""

from typing import NamedTuple

from netc.layer import BAD_BOTTOM_SHAPE, BAD_FIELD, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional

ORIGIN = "ShuffleNet (farmingyard/ShuffleNet)"
PARAMETER = Message(
    "ShuffleChannelParameter",
    (optional("group", 1, "uint32", 1, "The number of groups; it divides the channels."),),
    origin=ORIGIN,
)


class ShuffleChannelGeometry(NamedTuple):
    """The bottom's shape with its channels as a table: groups of `each` channels; inner is -1, the rest."""

    num: int
    groups: int
    each: int
    inner: int


def setup(site: Site) -> Setup:
    bottom, group = site.bottoms[0], site.p.group
    if len(bottom) < 2:
        site.refuse(BAD_BOTTOM_SHAPE, "needs at least num and channels", "bottom")
    if group < 1 or bottom[1] % group:
        site.refuse(BAD_FIELD, f"group {group} does not divide the {bottom[1]} channels of its bottom", "group")
    return Setup(tops=(bottom,), reads=(), geometry=ShuffleChannelGeometry(bottom[0], group, bottom[1] // group, -1))


def forward(call: Call) -> None:
    num, group, per, rest = view = call.known(ShuffleChannelGeometry)
    x, y = call.bottoms[0].reshape(view), call.tops[0].reshape(num, per, group, rest)
    y[...] = x.swapaxes(1, 2)


def backward(call: Call) -> None:
    if (diff := call.bottom_diffs[0]) is not None:
        num, group, per, rest = view = call.known(ShuffleChannelGeometry)
        diff.reshape(view)[...] = call.top_diffs[0].reshape(num, per, group, rest).swapaxes(1, 2)


SHUFFLE_CHANNEL = LayerType(
    "ShuffleChannel",
    __doc__,
    setup,
    forward,
    backward,
    param="shuffle_channel_param",
    own=Param(optional("shuffle_channel_param", 164, "ShuffleChannelParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    role=Role("shape"),
    examples=(
        Example("shuffle_channel_param { group: 3 }", inputs=(Input((2, 6, 2, 3)),)),
        Example(inputs=(Input((2, 4)),)),
    ),
    refuses=(
        Refused(BAD_FIELD, "shuffle_channel_param { group: 2 }"),
        Refused(BAD_FIELD, "shuffle_channel_param { group: 0 }"),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((3,),)),
    ),
)
