"""Fields of windows that all readers have."""

CONVOLUTION = (
    "num_output",
    "bias_term",
    "group",
    "kernel_size",
    "kernel_h",
    "kernel_w",
    "stride",
    "stride_h",
    "stride_w",
    "pad",
    "pad_h",
    "pad_w",
    "dilation",
)
POOLING = (
    "pool",
    "global_pooling",
    "kernel_size",
    "kernel_h",
    "kernel_w",
    "stride",
    "stride_h",
    "stride_w",
    "pad",
    "pad_h",
    "pad_w",
)
ONE_EACH = ("kernel_size", "stride", "pad", "dilation")
