"""Activations, normalizations and other layers that keep the shape of their input."""

from __future__ import annotations

from netc.schema.bvlc.weighted import ENGINE, engine
from netc.schema.declare import Enum, Message, optional, repeated
from netc.schema.forks import FAST_RCNN, SEGNET

_ENGINE = (ENGINE,)
_AXIS = "First axis that the {} spans."
_AXES = "Axes the {} spans when it is learned; -1: all from `axis` on."

_ACTIVATIONS = (
    Message(
        "ReLUParameter",
        (optional("negative_slope", 1, "float", 0.0, "Slope below zero."), engine(2, "ReLUParameter")),
        _ENGINE,
        doc="max(x, 0), with a slope below zero.",
    ),
    Message(
        "PReLUParameter",
        (
            optional("filler", 1, "FillerParameter", doc="How the slopes start; 0.25 if unset."),
            optional("channel_shared", 2, "bool", False, "One slope for all channels."),
        ),
        doc="ReLU with a learned slope below zero.",
    ),
    Message("ELUParameter", (optional("alpha", 1, "float", 1.0, "Limit below zero is -alpha."),), doc="ELU."),
    Message("SigmoidParameter", (engine(1, "SigmoidParameter"),), _ENGINE, doc="1 / (1 + exp(-x))."),
    Message("TanHParameter", (engine(1, "TanHParameter"),), _ENGINE, doc="Hyperbolic tangent."),
    Message("SwishParameter", (optional("beta", 1, "float", 1.0, "x * sigmoid(beta x)."),), doc="Swish."),
    Message(
        "ClipParameter",
        (
            optional("min", 1, "float", doc="Smallest value kept.", label="required"),
            optional("max", 2, "float", doc="Largest value kept.", label="required"),
        ),
        doc="Limits values to an interval.",
    ),
    Message(
        "ThresholdParameter",
        (optional("threshold", 1, "float", 0.0, "1 where x is larger than this, else 0."),),
        doc="Step function.",
    ),
    Message(
        "PowerParameter",
        (
            optional("power", 1, "float", 1.0, "Exponent."),
            optional("scale", 2, "float", 1.0, "Multiplies the input."),
            optional("shift", 3, "float", 0.0, "Added after scaling."),
        ),
        doc="(shift + scale x) ^ power.",
    ),
    Message(
        "ExpParameter",
        (
            optional("base", 1, "float", -1.0, "Base; -1: e."),
            optional("scale", 2, "float", 1.0, "Multiplies the input."),
            optional("shift", 3, "float", 0.0, "Added after scaling."),
        ),
        doc="base ^ (shift + scale x).",
    ),
    Message(
        "LogParameter",
        (
            optional("base", 1, "float", -1.0, "Base; -1: e."),
            optional("scale", 2, "float", 1.0, "Multiplies the input."),
            optional("shift", 3, "float", 0.0, "Added after scaling."),
        ),
        doc="Logarithm of shift + scale x.",
    ),
    Message(
        "DropoutParameter",
        (
            optional("dropout_ratio", 1, "float", 0.5, "Share of values set to zero while training."),
            optional("scale_train", 2, "bool", True, "Scale while training, not at test.", origin=FAST_RCNN),
            optional("sample_weights_test", 1003, "bool", False, "Drop values at test too.", origin=SEGNET),
        ),
        doc="Sets random values to zero while training.",
    ),
)

_NORMALIZATIONS = (
    Message(
        "BatchNormParameter",
        (
            optional("use_global_stats", 1, "bool", doc="Use the stored statistics; if unset: at test only."),
            optional("moving_average_fraction", 2, "float", 0.999, "Share of the moving average kept each iteration."),
            optional("eps", 3, "float", 1e-5, "Added to the variance."),
            optional("scale_filler", 5, "FillerParameter", doc="How the scale starts; 1 if unset.", origin="NVCaffe"),
            optional("bias_filler", 6, "FillerParameter", doc="How the bias starts; 0 if unset.", origin="NVCaffe"),
            optional("scale_bias", 7, "bool", False, "Also scale and shift, as a Scale layer does.", origin="NVCaffe"),
        ),
        doc="Normalizes each channel by its mean and variance.",
    ),
    Message(
        "LRNParameter",
        (
            optional("local_size", 1, "uint32", 5, "Channels (or side of the window) summed over; odd."),
            optional("alpha", 2, "float", 1.0, "Multiplies the sum of squares divided by the window."),
            optional("beta", 3, "float", 0.75, "Exponent."),
            optional("norm_region", 4, "LRNParameter.NormRegion", "ACROSS_CHANNELS", "Across or within channels."),
            optional("k", 5, "float", 1.0, "Added to the scaled sum."),
            engine(6, "LRNParameter"),
        ),
        (Enum("NormRegion", {"ACROSS_CHANNELS": 0, "WITHIN_CHANNEL": 1}, "What the window spans."), ENGINE),
        doc="Local response normalization.",
    ),
    Message(
        "MVNParameter",
        (
            optional("normalize_variance", 1, "bool", True, "Divide by the standard deviation too."),
            optional("across_channels", 2, "bool", False, "One mean for all channels of an image."),
            optional("eps", 3, "float", 1e-9, "Added to the standard deviation."),
        ),
        doc="Normalizes each image by its own mean and variance.",
    ),
    Message(
        "ScaleParameter",
        (
            optional("axis", 1, "int32", 1, _AXIS.format("scale")),
            optional("num_axes", 2, "int32", 1, _AXES.format("scale")),
            optional("filler", 3, "FillerParameter", doc="How the scale starts; ones if unset."),
            optional("bias_term", 4, "bool", False, "Also add a learned bias."),
            optional("bias_filler", 5, "FillerParameter", doc="How the bias starts; zeros if unset."),
        ),
        doc="Multiplies by a learned or given blob.",
    ),
    Message(
        "BiasParameter",
        (
            optional("axis", 1, "int32", 1, _AXIS.format("bias")),
            optional("num_axes", 2, "int32", 1, _AXES.format("bias")),
            optional("filler", 3, "FillerParameter", doc="How the bias starts; zeros if unset."),
        ),
        doc="Adds a learned or given blob.",
    ),
    Message(
        "SoftmaxParameter",
        (engine(1, "SoftmaxParameter"), optional("axis", 2, "int32", 1, "Axis whose values sum to one.")),
        _ENGINE,
        doc="exp(x) / sum(exp(x)) along an axis.",
    ),
    Message(
        "EltwiseParameter",
        (
            optional("operation", 1, "EltwiseParameter.EltwiseOp", "SUM", "PROD, SUM or MAX."),
            repeated("coeff", 2, "float", "Factor of each bottom, for SUM."),
            optional("stable_prod_grad", 3, "bool", True, "Gradient of PROD without dividing by the output."),
        ),
        (Enum("EltwiseOp", {"PROD": 0, "SUM": 1, "MAX": 2}, "What is computed from the bottoms."),),
        doc="Combines blobs of one shape, value by value.",
    ),
)

MESSAGES = _ACTIVATIONS + _NORMALIZATIONS
