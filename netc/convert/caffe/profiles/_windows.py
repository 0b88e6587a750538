"""Fields of windows that all readers have."""

_WINDOW = ("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w", "pad", "pad_h", "pad_w")
CONVOLUTION = ("num_output", "bias_term", "group", *_WINDOW, "dilation")
POOLING = ("pool", "global_pooling", *_WINDOW)
ONE_EACH = ("kernel_size", "stride", "pad", "dilation")
