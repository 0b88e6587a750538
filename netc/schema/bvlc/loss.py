"""Losses and measures."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional, repeated

MESSAGES = (
    Message(
        "LossParameter",
        (
            optional("ignore_label", 1, "int32", doc="Values with this label do not count."),
            optional("normalization", 3, "LossParameter.NormalizationMode", "VALID", "What the loss is divided by."),
            optional("normalize", 2, "bool", doc="true: VALID, false: BATCH_SIZE.", deprecated="normalization"),
            optional("label_smoothing", 1000, "float", 0.0, "Share of a label spread over all classes.", origin="netc"),
            repeated("class_weighting", 1001, "float", "Weight of each class.", origin="SegNet"),
            optional("weight_by_label_freqs", 1002, "bool", doc="Use class_weighting.", origin="SegNet"),
        ),
        (
            Enum(
                "NormalizationMode",
                {"FULL": 0, "VALID": 1, "BATCH_SIZE": 2, "NONE": 3},
                "All values, values whose label counts, images in the batch, or 1.",
            ),
        ),
        doc="Fields that all losses share.",
    ),
    Message(
        "AccuracyParameter",
        (
            optional("top_k", 1, "uint32", 1, "A prediction is right if the label is among this many best."),
            optional("axis", 2, "int32", 1, "Axis of the classes."),
            optional("ignore_label", 3, "int32", doc="Values with this label do not count."),
        ),
        doc="Share of right predictions.",
    ),
    Message(
        "ContrastiveLossParameter",
        (
            optional("margin", 1, "float", 1.0, "Distance from which unlike pairs cost nothing."),
            optional("legacy_version", 2, "bool", False, "Use margin - d^2, not (margin - d)^2, for unlike pairs."),
        ),
        doc="Loss of a pair of vectors.",
    ),
    Message(
        "HingeLossParameter",
        (optional("norm", 1, "HingeLossParameter.Norm", "L1", "L1 or L2."),),
        (Enum("Norm", {"L1": 1, "L2": 2}, "Sum of values, or of squares."),),
        doc="One-against-all hinge loss.",
    ),
    Message(
        "InfogainLossParameter",
        (
            optional("source", 1, "string", doc="File with the infogain matrix, if it is not a bottom."),
            optional("axis", 2, "int32", 1, "Axis of the classes."),
        ),
        doc="Multinomial logistic loss weighted by a matrix.",
    ),
)
