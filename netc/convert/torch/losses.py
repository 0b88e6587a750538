"""Losses and measures: functions of scores and labels."""

from __future__ import annotations

from typing import Any

from netc.convert.torch.code import Expression, call, literal, raw
from netc.convert.torch.writer import OWN, Argument, LayerWriter, State, Write, Written, made, module
from netc.kernels.softmax import normalization
from netc.layer import LayerType
from netc.layers.accuracy import ACCURACY
from netc.layers.center_loss import CENTER_LOSS
from netc.layers.content_loss import CONTENT_LOSS
from netc.layers.contrastive_loss import CONTRASTIVE_LOSS
from netc.layers.euclidean_loss import EUCLIDEAN_LOSS
from netc.layers.hinge_loss import HINGE_LOSS
from netc.layers.infogain_loss import INFOGAIN_LOSS
from netc.layers.l1_loss import L1_LOSS
from netc.layers.multinomial_logistic_loss import MULTINOMIAL_LOGISTIC_LOSS
from netc.layers.perplexity import PERPLEXITY
from netc.layers.sigmoid_cross_entropy_loss import SIGMOID_CROSS_ENTROPY_LOSS
from netc.layers.smooth_l1_loss import SMOOTH_L1_LOSS
from netc.layers.softmax_focal_loss import SOFTMAX_FOCAL_LOSS
from netc.layers.softmax_focal_loss import Geometry as Focal
from netc.layers.softmax_with_loss import SOFTMAX_WITH_LOSS, WEIGHTED_SOFTMAX_WITH_LOSS
from netc.layers.style_loss import STYLE_LOSS
from netc.layers.triplet_loss import TRIPLET_LOSS


def softmax_with_loss(layer: LayerWriter) -> Written:
    """nn.functional.cross_entropy where that is all, so that it reads as people write it."""
    p, (scores, labels) = layer.p, layer.bottoms[:2]
    axis = layer.axis(layer.node.record.softmax_param.axis)
    options = _options(
        axis=(axis, 1),
        ignore_label=(p.ignore_label if p.has("ignore_label") else None, None),
        normalization=(normalization(p), "VALID"),
        label_smoothing=(float(p.label_smoothing), 0.0),
        class_weights=(tuple(p.class_weighting) if p.weight_by_label_freqs else None, None),
    )
    if len(layer.bottoms) > 2:
        options["weights"] = raw(layer.bottoms[2])
    plain = not options and len(layer.shape) == 2 and len(layer.bottom_shapes[1]) == 1
    loss = call("nn.functional.cross_entropy", scores, raw(labels, ".long()")) if plain else None
    return _with_probabilities(layer, loss or call("softmax_loss", scores, labels, **options), axis)


def _with_probabilities(layer: LayerWriter, loss: Expression, axis: int) -> Written:
    """The loss, and the probabilities if the layer gives them: they take no gradient."""
    probabilities = raw(call("torch.softmax", layer.bottoms[0], dim=axis), ".detach()")
    return made(*(loss, probabilities)[: len(layer.top_shapes)])


def _options(**options: tuple[Any, Any]) -> dict[str, Any]:
    """The values of the options (each a value and its default) that are not their defaults."""
    return {name: value for name, (value, default) in options.items() if value != default}


def infogain(layer: LayerWriter) -> Written:
    if len(layer.bottoms) < 3:
        layer.refuse("the matrix is in a file of its own; give it as a third bottom", "source")
    loss_param, axis = layer.node.record.loss_param, layer.axis(layer.p.axis)
    options = _options(
        axis=(axis, 1),
        ignore_label=(loss_param.ignore_label if loss_param.has("ignore_label") else None, None),
        normalization=(normalization(loss_param), "VALID"),
    )
    return _with_probabilities(layer, call("infogain_loss", *layer.bottoms, **options), axis)


def focal(layer: LayerWriter) -> Written:
    p, loss = layer.p, layer.node.record.loss_param
    if layer.setup.own_gradient:
        layer.refuse("its softmax is along another axis than its labels", "axis")
    axis = layer.setup.known(Focal).axis
    options = _options(
        alpha=(float(p.alpha), 0.25),
        gamma=(float(p.gamma), 2.0),
        axis=(axis, 1),
        ignore_label=(loss.ignore_label if loss.has("ignore_label") else None, None),
        normalization=(normalization(loss), "VALID"),
        class_weights=(tuple(loss.class_weighting) or None, None),
    )
    return _with_probabilities(layer, call("softmax_focal_loss", *layer.bottoms, **options), axis)


def sigmoid_cross_entropy(layer: LayerWriter) -> Written:
    p = layer.p
    options = _options(
        ignore_label=(p.ignore_label if p.has("ignore_label") else None, None),
        normalization=(normalization(p, "BATCH_SIZE"), "BATCH_SIZE"),
    )
    if len(layer.bottoms) > 2:
        options["weights"] = raw(layer.bottoms[2])
    return made(call("sigmoid_cross_entropy_loss", *layer.bottoms[:2], **options))


def smooth_l1(layer: LayerWriter) -> Written:
    names = ("inside", "outside")
    weights = {name: raw(b) for name, b in zip(names, layer.bottoms[2:], strict=False)}
    options = _options(sigma=(float(layer.p.sigma), 1.0)) | weights
    return made(call("smooth_l1_loss", *layer.bottoms[:2], **options))


def contrastive(layer: LayerWriter) -> Written:
    options = _options(margin=(float(layer.p.margin), 1.0), legacy=(bool(layer.p.legacy_version), False))
    return made(call("contrastive_loss", *layer.bottoms, **options))


def hinge(layer: LayerWriter) -> Written:
    return made(call("hinge_loss", *layer.bottoms, **_options(squared=(layer.p.norm == "L2", False))))


def triplet(layer: LayerWriter) -> Written:
    p, given = layer.p, len(layer.bottoms) == 3
    options = _options(distance=(p.distance, "SQUARED"), mining=(p.mining, "HARD"))
    return made(
        call("triplet_loss" if given else "batch_triplet_loss", *layer.bottoms, literal(float(p.margin)), **options)
    )


def center(layer: LayerWriter) -> Written:
    centers = layer.params[0]
    sizes = (Argument("classes", centers.shape[0]), Argument("values", centers.shape[1]))
    state = {"centers": State(centers, 0)}
    return module("CenterLoss", *sizes, state=state, tops=(call(OWN, *layer.bottoms),))


def function(name: str) -> Write:
    """A type that is a function of its bottoms, without fields."""
    return lambda layer: made(call(name, *layer.bottoms))


def perplexity(layer: LayerWriter) -> Written:
    p = layer.p
    options = _options(
        axis=(layer.axis(p.axis), len(layer.shape) - 1),
        ignore_label=(p.ignore_label if p.has("ignore_label") else None, None),
    )
    found = call("perplexity", *layer.bottoms, **options)
    return made(raw(found, "[0]")) if len(layer.top_shapes) == 1 else Written((found,), together=True)


def accuracy(layer: LayerWriter) -> Written:
    p = layer.p
    options = _options(
        top_k=(int(p.top_k), 1),
        axis=(layer.axis(p.axis), 1),
        ignore_label=(p.ignore_label if p.has("ignore_label") else None, None),
    )
    if len(layer.top_shapes) == 1:
        return made(call("top_accuracy", *layer.bottoms, **options))
    return Written((call("top_accuracy_by_class", *layer.bottoms, **options),), together=True)


WRITERS: dict[LayerType, Write] = {
    SOFTMAX_WITH_LOSS: softmax_with_loss,
    WEIGHTED_SOFTMAX_WITH_LOSS: softmax_with_loss,
    INFOGAIN_LOSS: infogain,
    SOFTMAX_FOCAL_LOSS: focal,
    SIGMOID_CROSS_ENTROPY_LOSS: sigmoid_cross_entropy,
    SMOOTH_L1_LOSS: smooth_l1,
    CONTRASTIVE_LOSS: contrastive,
    HINGE_LOSS: hinge,
    TRIPLET_LOSS: triplet,
    CENTER_LOSS: center,
    EUCLIDEAN_LOSS: function("euclidean_loss"),
    L1_LOSS: function("l1_loss"),
    CONTENT_LOSS: function("content_loss"),
    STYLE_LOSS: function("style_loss"),
    MULTINOMIAL_LOGISTIC_LOSS: function("multinomial_logistic_loss"),
    ACCURACY: accuracy,
    PERPLEXITY: perplexity,
}
