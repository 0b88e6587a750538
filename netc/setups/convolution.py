"""How Convolution, DepthwiseConvolution and Deconvolution are set up: groups, blobs and memory."""

from __future__ import annotations

from netc.kernels.gemm_convolution import ConvolutionGeometry, is_depthwise
from netc.kernels.windows import area, positions
from netc.layer import BAD_FIELD, MISSING_FIELD, Buffer, ParamBlob, Setup, Shape, Site, Window


def check_groups(site: Site, channels: int, groups: int) -> None:
    """Refuse a layer without num_output, and groups that do not divide the channels on both sides."""
    p = site.p
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the number of output channels", "num_output")
    if groups < 1 or channels % groups:
        site.refuse(BAD_FIELD, f"group {groups} does not divide the {channels} channels of its bottom", "group")
    if p.num_output % groups:
        site.refuse(BAD_FIELD, f"num_output {p.num_output} is not a multiple of group {groups}", "num_output", "group")


def convolved(site: Site, g: ConvolutionGeometry, top: Shape, *, transposed: bool = False) -> Setup:
    """The Setup of a layer with this geometry; transposed: from the layer's top to its bottom (Deconvolution)."""
    p, axes = site.p, g.columns.axes
    each = g.columns.channels // g.groups
    params = [ParamBlob("weights", (g.filters, each, *(a.kernel for a in axes)), p.weight_filler)]
    if p.bias_term:
        params.append(ParamBlob("bias", (p.num_output,), p.bias_filler))
    direct = g.columns.same or is_depthwise(g.columns, g.groups)
    return Setup(
        tops=(top,) * len(site.bottoms),
        params=tuple(params),
        buffers=() if direct else (Buffer("columns", g.columns.shape, kind="scratch"),),
        reads=("x",),
        macs=len(site.bottoms) * g.batch * g.filters * positions(axes) * each * area(axes),
        window=Window(
            tuple(a.kernel for a in axes),
            tuple(a.stride for a in axes),
            tuple(a.before for a in axes),
            tuple(a.dilation for a in axes),
            transposed,
        ),
        geometry=g,
    )
