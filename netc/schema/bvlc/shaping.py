"""Layers that move values without computing with them, reductions, and Python layers."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional, repeated

MESSAGES = (
    Message(
        "ConcatParameter",
        (
            optional("axis", 2, "int32", 1, "Axis along which blobs are joined; may be negative."),
            optional("concat_dim", 1, "uint32", 1, "Old name of `axis`.", deprecated="axis"),
        ),
        doc="Joins blobs along an axis.",
    ),
    Message(
        "SliceParameter",
        (
            optional("axis", 3, "int32", 1, "Axis along which the blob is cut; may be negative."),
            repeated("slice_point", 2, "uint32", "Where to cut; equal parts if unset."),
            optional("slice_dim", 1, "uint32", 1, "Old name of `axis`.", deprecated="axis"),
        ),
        doc="Cuts a blob along an axis.",
    ),
    Message(
        "CropParameter",
        (
            optional("axis", 1, "int32", 2, "First axis to crop; may be negative."),
            repeated("offset", 2, "uint32", "Where the crop starts: one for all axes, or one each."),
        ),
        doc="Crops a blob to the shape of another.",
    ),
    Message(
        "FlattenParameter",
        (
            optional("axis", 1, "int32", 1, "First axis to merge."),
            optional("end_axis", 2, "int32", -1, "Last axis to merge."),
        ),
        doc="Merges axes into one.",
    ),
    Message(
        "ReshapeParameter",
        (
            optional("shape", 1, "BlobShape", doc="New sizes; 0 keeps the size, one -1 is inferred."),
            optional("axis", 2, "int32", 0, "First axis that is replaced."),
            optional("num_axes", 3, "int32", -1, "Axes that are replaced; -1: all from `axis` on."),
        ),
        doc="Gives a blob another shape.",
    ),
    Message(
        "TileParameter",
        (
            optional("axis", 1, "int32", 1, "Axis along which copies are laid."),
            optional("tiles", 2, "int32", doc="Number of copies."),
        ),
        doc="Repeats a blob along an axis.",
    ),
    Message(
        "ArgMaxParameter",
        (
            optional("out_max_val", 1, "bool", False, "Give the values too, or with `axis` instead."),
            optional("top_k", 2, "uint32", 1, "Number of largest values."),
            optional("axis", 3, "int32", doc="Axis to search; if unset, all values of an image."),
        ),
        doc="Index of the largest value.",
    ),
    Message(
        "ReductionParameter",
        (
            optional("operation", 1, "ReductionParameter.ReductionOp", "SUM", "SUM, ASUM, SUMSQ or MEAN."),
            optional("axis", 2, "int32", 0, "First axis that is reduced; all after it are too."),
            optional("coeff", 3, "float", 1.0, "Multiplies the result."),
        ),
        (Enum("ReductionOp", {"SUM": 1, "ASUM": 2, "SUMSQ": 3, "MEAN": 4}, "What the values become."),),
        doc="Reduces the last axes to one value.",
    ),
    Message(
        "PythonParameter",
        (
            optional("module", 1, "string", doc="Python module that has the layer."),
            optional("layer", 2, "string", doc="Class of the layer."),
            optional("param_str", 3, "string", "", "Text handed to the layer."),
            optional(
                "share_in_parallel", 4, "bool", False, "One layer for several GPUs.", ignored="netc runs on the CPU"
            ),
        ),
        doc="A layer written in Python.",
    ),
)
