"""One file a family of layer types; `RULES` finds the rule of a type."""

from netc.run.lowering.rule import Rule
from netc.run.lowering.rules import (
    axpy,
    channels,
    concat,
    convolution,
    crop,
    deconvolution,
    dropout,
    eltwise,
    functions,
    inner_product,
    lrn,
    pooling,
    prelu,
    relu,
    slicing,
    softmax,
    upsample,
)

FAMILIES = (
    axpy,
    channels,
    concat,
    convolution,
    crop,
    deconvolution,
    dropout,
    eltwise,
    functions,
    inner_product,
    lrn,
    pooling,
    prelu,
    relu,
    slicing,
    softmax,
    upsample,
)
RULES: dict[str, Rule] = {name: family.RULE for family in FAMILIES for name in family.RULE.types}
