"""Arrays and records of data: what weight files, mean files and databases hold."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional, repeated

_TYPES = ("DOUBLE", "FLOAT", "FLOAT16", "INT", "UINT", "BOOL")

MESSAGES = (
    Message(
        "BlobShape",
        (repeated("dim", 1, "int64", "Sizes of the axes, outermost first.", packed=True),),
        doc="The shape of a blob.",
    ),
    Message(
        "BlobProto",
        (
            optional("shape", 7, "BlobShape", doc="Shape of the array."),
            repeated("data", 5, "float", "Values in C order.", packed=True),
            repeated("diff", 6, "float", "Gradient, same order as `data`.", packed=True),
            repeated("double_data", 8, "double", "Values in double precision, instead of `data`.", packed=True),
            repeated("double_diff", 9, "double", "Gradient in double precision.", packed=True),
            optional("raw_data_type", 10, "Type", doc="What the bytes in `raw_data` are.", origin="NVCaffe"),
            optional("raw_diff_type", 11, "Type", doc="What the bytes in `raw_diff` are.", origin="NVCaffe"),
            optional("raw_data", 12, "bytes", doc="Values as bytes, instead of `data`.", origin="NVCaffe"),
            optional("raw_diff", 13, "bytes", doc="Gradient as bytes, instead of `diff`.", origin="NVCaffe"),
            optional("num", 1, "int32", 0, "First of four sizes in files without `shape`.", deprecated="shape"),
            optional("channels", 2, "int32", 0, "Second of four sizes.", deprecated="shape"),
            optional("height", 3, "int32", 0, "Third of four sizes.", deprecated="shape"),
            optional("width", 4, "int32", 0, "Fourth of four sizes.", deprecated="shape"),
            optional(
                "sparse",
                1001,
                "bytes",
                doc="A bit for each value, least first: 0 is not in `data`, and 0.",
                origin="netc",
            ),
        ),
        (Enum("Type", {name: number for number, name in enumerate(_TYPES)}, "Types of numbers."),),
        doc="An array with its shape: a parameter, a mean image, a solver's history.",
    ),
    Message(
        "BlobProtoVector",
        (repeated("blobs", 1, "BlobProto", "The arrays."),),
        doc="Several arrays in one file.",
    ),
    Message(
        "Datum",
        (
            optional("channels", 1, "int32", doc="Channels of the image."),
            optional("height", 2, "int32", doc="Rows of the image."),
            optional("width", 3, "int32", doc="Columns of the image."),
            optional("data", 4, "bytes", doc="Pixels, one byte each, channel by channel; or an encoded image."),
            optional("label", 5, "int32", doc="Class number."),
            repeated("float_data", 6, "float", "Values as floats, when `data` is empty."),
            optional("encoded", 7, "bool", False, "`data` is a JPEG, PNG or other image file to be decoded."),
        ),
        doc="One record of an image database.",
    ),
)
