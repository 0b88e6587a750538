"""One file a family of layer types; `RULES` finds the rule of a type."""

from netc.run.lowering.rule import Rule
from netc.run.lowering.rules import concat, convolution, eltwise, inner_product, lrn, pooling, relu

RULES: dict[str, Rule] = {
    name: rule
    for rule in (convolution.RULE, inner_product.RULE, relu.RULE, pooling.RULE, lrn.RULE, concat.RULE, eltwise.RULE)
    for name in rule.types
}
