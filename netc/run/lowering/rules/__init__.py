"""One file a family of layer types; `RULES` finds the rule of a type."""

from netc.run.lowering.rule import Rule
from netc.run.lowering.rules import (
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
    relu,
    slicing,
    upsample,
)

FAMILIES = (
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
    relu,
    slicing,
    upsample,
)
RULES: dict[str, Rule] = {name: family.RULE for family in FAMILIES for name in family.RULE.types}
