"""How GRU, LSTM and RNN are set up: their bottoms, blobs of the input, states, and what is tried with all three."""

from __future__ import annotations

from math import prod

from netc.kernels.recurrent import Layout
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Buffer,
    Example,
    Input,
    ParamBlob,
    Refused,
    Shape,
    Site,
    format_shape,
)


def layout(site: Site, states: int) -> Layout:
    """The layout of the layer's bottoms; refuses what they cannot be. states: how many the type carries."""
    p, bottoms = site.p, site.bottoms
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the size of the state", "num_output")
    exposed = states * p.expose_hidden
    if message := _problem(bottoms, p.num_output, exposed):
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    x, static = bottoms[0], prod(bottoms[2][1:]) if len(bottoms) > 2 + exposed else 0
    at = Layout(x[0], x[1], prod(x[2:]), p.num_output, static, states, p.expose_hidden)
    if site.top_count != len(at.tops):
        message = f"needs {len(at.tops)} tops {'with' if at.exposed else 'without'} expose_hidden"
        site.refuse(BAD_FIELD, f"{message}, but has {site.top_count}", "top", "expose_hidden")
    return at


def _problem(bottoms: tuple[Shape, ...], outputs: int, exposed: int) -> str | None:
    """What speaks against these bottoms, the last `exposed` of which are states, in words, or None."""
    x, cont = bottoms[:2]
    shown = [format_shape(shape) for shape in bottoms]
    if len(x) < 3:
        return f"the first bottom must be steps x streams x values, but is {shown[0]}"
    if cont != x[:2]:
        return f"the second bottom (cont) must be {x[0]}x{x[1]}, one number for each step and stream, but is {shown[1]}"
    least = 2 + exposed
    if not least <= len(bottoms) <= least + 1:
        what = f", {exposed} states" if exposed else ""
        return f"needs x, cont, perhaps a static input{what}: {least} or {least + 1} bottoms, but has {len(bottoms)}"
    if len(bottoms) > least and (len(bottoms[2]) < 2 or bottoms[2][0] != x[1]):
        return f"the static input must be {x[1]} (streams) x values, but is {shown[2]}"
    for shape, said in zip(bottoms[len(bottoms) - exposed :], shown[len(bottoms) - exposed :], strict=True):
        if shape != (1, x[1], outputs):
            return f"a state must be 1x{x[1]}x{outputs}, but is {said}"
    return None


def input_blobs(site: Site, at: Layout, size: int, weights: str, bias: str) -> list[ParamBlob]:
    """The blobs that make `size` values of the input, and of the static one where there is one."""
    p = site.p
    blobs = [ParamBlob(weights, (size, at.inputs), p.weight_filler), ParamBlob(bias, (size,), p.bias_filler)]
    return blobs + [ParamBlob(f"{weights}_static", (size, at.static), p.weight_filler)] * bool(at.static)


def state_buffers(at: Layout, names: tuple[str, ...]) -> list[Buffer]:
    """The states before the first step; where they are not exposed, those that the last forward left, too."""
    carried = [Buffer(f"{name}_carried", at.state, kind="state") for name in names]
    return [Buffer(name, at.state) for name in names] + carried * (not at.exposed)


def reads(at: Layout) -> tuple[str, ...]:
    """What backward reads: the inputs, `cont`, the static input, and the first top."""
    return ("x0", "x1", "x2", "y0") if at.static else ("x0", "x1", "y0")


FILLERS = 'weight_filler { type: "uniform" min: -0.4 max: 0.4 } bias_filler { type: "uniform" min: -0.2 max: 0.2 }'
CONT = Input((4, 2), "values", values=(0, 0, 1, 1, 1, 0, 1, 1))


def examples(states: int) -> tuple[Example, ...]:
    """Without and with a static input, and with its states exposed."""
    inside, exposed = f"recurrent_param {{ num_output: 3 {FILLERS} }}", Input((1, 2, 3))
    return (
        Example(inside, inputs=(Input((4, 2, 3)), CONT)),
        Example(inside, inputs=(Input((4, 2, 2, 2)), CONT, Input((2, 2, 3)))),
        Example(
            inside.replace("3 ", "3 expose_hidden: true ", 1),
            inputs=(Input((4, 2, 3)), CONT, *[exposed] * states),
            tops=1 + states,
        ),
    )


REFUSES = (
    Refused(MISSING_FIELD, "", bottoms=((4, 2, 3), (4, 2))),
    Refused(BAD_BOTTOM_SHAPE, "recurrent_param { num_output: 3 }", bottoms=((4, 2, 3), (4, 3))),
    Refused(BAD_BOTTOM_SHAPE, "recurrent_param { num_output: 3 }", bottoms=((4, 2), (4, 2))),
    Refused(BAD_BOTTOM_SHAPE, "recurrent_param { num_output: 3 }", bottoms=((4, 2, 3), (4, 2), (3, 2))),
    Refused(BAD_FIELD, "recurrent_param { num_output: 3 }", bottoms=((4, 2, 3), (4, 2)), tops=2),
)
"""What all of them refuse."""
