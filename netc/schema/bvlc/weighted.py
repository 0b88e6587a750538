"""Layers with a kernel or weights, the pooling kin, and the fillers."""

from __future__ import annotations

from netc.schema.declare import Enum, Field, Message, optional, repeated
from netc.schema.forks import DEEPLAB, GREENTEA, YJXIONG

KERNELS = "netc has kernels of its own"
UNROLLED = "netc unrolls no net"
ENGINE = Enum("Engine", {"DEFAULT": 0, "CAFFE": 1, "CUDNN": 2}, "Implementation in Caffe; ignored by netc.")

PADDING = Enum(
    "Padding",
    {"EXPLICIT": 0, "SAME": 1, "VALID": 2},
    "Padding by `pad`, or computed by TensorFlow's rule: SAME keeps ceil(input / stride), VALID adds none.",
)


def engine(tag: int, message: str) -> Field:
    """The choice of an implementation, which netc accepts and ignores."""
    return optional("engine", tag, f"{message}.Engine", "DEFAULT", "Implementation in Caffe.", ignored=KERNELS)


def fillers(weight: int, bias: int) -> tuple[Field, Field]:
    """The fillers of a layer's weight and bias."""
    return (
        optional("weight_filler", weight, "FillerParameter", doc="How the weight starts; zeros if unset."),
        optional("bias_filler", bias, "FillerParameter", doc="How the bias starts; zeros if unset."),
    )


_CONVOLUTION = (
    optional("num_output", 1, "uint32", doc="Channels of the output."),
    optional("bias_term", 2, "bool", True, "Add a learned bias to each channel."),
    repeated("pad", 3, "uint32", "Zeros added at each side: one number, or one for each spatial axis; 0 if unset."),
    repeated("kernel_size", 4, "uint32", "Kernel size: one number, or one for each spatial axis."),
    repeated("stride", 6, "uint32", "Stride: one number, or one for each spatial axis; 1 if unset."),
    repeated("dilation", 18, "uint32", "Distance between kernel cells: one number or one an axis; 1 if unset."),
    optional("pad_h", 9, "uint32", 0, "Zeros added above and below (2-D only)."),
    optional("pad_w", 10, "uint32", 0, "Zeros added left and right (2-D only)."),
    optional("kernel_h", 11, "uint32", doc="Kernel height (2-D only)."),
    optional("kernel_w", 12, "uint32", doc="Kernel width (2-D only)."),
    optional("stride_h", 13, "uint32", doc="Vertical stride (2-D only)."),
    optional("stride_w", 14, "uint32", doc="Horizontal stride (2-D only)."),
    optional("group", 5, "uint32", 1, "Channel groups, each convolved on its own."),
    *fillers(7, 8),
    engine(15, "ConvolutionParameter"),
    optional("axis", 16, "int32", 1, "The channel axis; the axes after it are spatial."),
    optional("force_nd_im2col", 17, "bool", False, "Use the N-d code for 2-D images too.", ignored=KERNELS),
    optional("hole", 1001, "uint32", 1, "Distance between kernel cells.", origin=DEEPLAB, deprecated="`dilation`"),
    optional("hole_h", 1002, "uint32", 1, "Vertical distance.", origin=DEEPLAB, deprecated="`dilation`"),
    optional("hole_w", 1003, "uint32", 1, "Horizontal distance.", origin=DEEPLAB, deprecated="`dilation`"),
    optional("dilation_h", 1004, "uint32", 1, "Vertical distance.", origin=YJXIONG, deprecated="`dilation`"),
    optional("dilation_w", 1005, "uint32", 1, "Horizontal distance.", origin=YJXIONG, deprecated="`dilation`"),
    optional(
        "padding", 1000, "ConvolutionParameter.Padding", "EXPLICIT", "SAME or VALID, instead of `pad`.", origin="netc"
    ),
)

_POOLING = (
    optional("pool", 1, "PoolingParameter.PoolMethod", "MAX", "MAX, AVE or STOCHASTIC."),
    optional("pad", 4, "uint32", 0, "Zeros added at each side."),
    optional("pad_h", 9, "uint32", 0, "Zeros added above and below."),
    optional("pad_w", 10, "uint32", 0, "Zeros added left and right."),
    optional("kernel_size", 2, "uint32", doc="Side of the square window."),
    optional("kernel_h", 5, "uint32", doc="Height of the window."),
    optional("kernel_w", 6, "uint32", doc="Width of the window."),
    optional("stride", 3, "uint32", 1, "Stride of the window."),
    optional("stride_h", 7, "uint32", doc="Vertical stride."),
    optional("stride_w", 8, "uint32", doc="Horizontal stride."),
    engine(11, "PoolingParameter"),
    optional("global_pooling", 12, "bool", False, "The window is the whole image."),
    optional("round_mode", 13, "PoolingParameter.RoundMode", "CEIL", "How the output size is rounded."),
    optional(
        "ceil_mode",
        1001,
        "bool",
        True,
        "Round the output size up.",
        origin="several forks of Caffe",
        deprecated="`round_mode: FLOOR` or CEIL",
    ),
    repeated("dilation", 1002, "uint32", "Distance between window cells; 1 if unset.", origin=GREENTEA),
    optional(
        "padding", 1000, "PoolingParameter.Padding", "EXPLICIT", "SAME or VALID, instead of `pad`.", origin="netc"
    ),
)

_METHOD = Enum("PoolMethod", {"MAX": 0, "AVE": 1, "STOCHASTIC": 2}, "What a window becomes.")

MESSAGES = (
    Message(
        "FillerParameter",
        (
            optional("type", 1, "string", "constant", "How the values are made.", names="filler"),
            optional("value", 2, "float", 0.0, "The constant."),
            optional("min", 3, "float", 0.0, "Lower bound of uniform."),
            optional("max", 4, "float", 1.0, "Upper bound of uniform."),
            optional("mean", 5, "float", 0.0, "Mean of gaussian."),
            optional("std", 6, "float", 1.0, "Standard deviation of gaussian."),
            optional("sparse", 7, "int32", -1, "Nonzero weights expected for each input (gaussian); -1: all."),
            optional("variance_norm", 8, "FillerParameter.VarianceNorm", "FAN_IN", "What xavier and msra scale by."),
            optional("source", 1001, "string", doc="The file that image fills from.", origin="netc"),
            repeated("mean_value", 1002, "float", "What image subtracts: one number, or one a channel.", origin="netc"),
            optional("scale", 1003, "float", 1.0, "What image multiplies by, after the mean.", origin="netc"),
        ),
        (Enum("VarianceNorm", {"FAN_IN": 0, "FAN_OUT": 1, "AVERAGE": 2}, "Inputs, outputs, or the mean of both."),),
        doc="How a parameter starts.",
    ),
    Message(
        "ConvolutionParameter",
        _CONVOLUTION,
        (ENGINE, PADDING),
        doc="Convolution, Deconvolution and Im2col: a kernel slides over the spatial axes.",
    ),
    Message(
        "PoolingParameter",
        _POOLING,
        (_METHOD, ENGINE, Enum("RoundMode", {"CEIL": 0, "FLOOR": 1}, "Round the output size up or down."), PADDING),
        doc="Pooling: a window becomes its maximum, mean or a random cell.",
    ),
    Message(
        "SPPParameter",
        (
            optional("pyramid_height", 1, "uint32", doc="Levels of the pyramid; level l has 4^l windows."),
            optional("pool", 2, "SPPParameter.PoolMethod", "MAX", "What a window becomes."),
            engine(6, "SPPParameter"),
        ),
        (_METHOD, ENGINE),
        doc="Spatial pyramid pooling.",
    ),
    Message(
        "InnerProductParameter",
        (
            optional("num_output", 1, "uint32", doc="Number of outputs."),
            optional("bias_term", 2, "bool", True, "Add a learned bias."),
            *fillers(3, 4),
            optional("axis", 5, "int32", 1, "First axis that is summed over; the axes before it stay."),
            optional("transpose", 6, "bool", False, "The weight is stored inputs x outputs."),
        ),
        doc="Fully connected: output = weight x input + bias.",
    ),
    Message(
        "EmbedParameter",
        (
            optional("num_output", 1, "uint32", doc="Length of each vector."),
            optional("input_dim", 2, "uint32", doc="Number of vectors: the largest index plus one."),
            optional("bias_term", 3, "bool", True, "Add a learned bias."),
            *fillers(4, 5),
        ),
        doc="Looks up a learned vector for each index.",
    ),
    Message(
        "RecurrentParameter",
        (
            optional("num_output", 1, "uint32", 0, "Size of the hidden state and of the output."),
            *fillers(2, 3),
            optional("debug_info", 4, "bool", False, "Report values of the unrolled net.", ignored=UNROLLED),
            optional("expose_hidden", 5, "bool", False, "The hidden states are bottoms and tops too."),
        ),
        doc="RNN and LSTM.",
    ),
    Message(
        "ParameterParameter",
        (
            optional("shape", 1, "BlobShape", doc="Shape of the parameter."),
            optional("filler", 1001, "FillerParameter", doc="How the parameter starts; 0 if unset.", origin="netc"),
        ),
        doc="A learned blob without input.",
    ),
)
