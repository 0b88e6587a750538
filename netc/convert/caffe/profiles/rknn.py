"""RKNN Toolkit 2: the Caffe operators that its list names; depthwise kernels are at most 8 x 8."""

from __future__ import annotations

from netc.convert.caffe.profile import Profile, Takes, reads

PROFILE = Profile(
    "RKNN",
    "https://github.com/rockchip-linux/rknn-toolkit2/blob/master/doc/RKNNToolKit2_OP_Support-1.4.0.md",
    {
        "BNLL": Takes(),
        "BatchNorm": Takes(only={"use_global_stats": (True,)}),
        "Concat": reads("axis", only={"axis": (1, 2, 3)}),
        "Convolution": Takes(),
        "Crop": Takes(),
        "Deconvolution": Takes(),
        "Dropout": Takes(),
        "Eltwise": Takes(),
        "Flatten": Takes(),
        "InnerProduct": reads("num_output", "bias_term"),
        "Input": Takes(),
        "LRN": Takes(),
        "Normalize": Takes(),
        "PReLU": Takes(),
        "Permute": Takes(),
        "Pooling": Takes(only={"pool": ("MAX", "AVE")}),
        "Power": Takes(),
        "Proposal": Takes(),
        "ROIPooling": Takes(),
        "ReLU": Takes(),
        "ReLU6": reads(),
        "Reduction": Takes(),
        "Reshape": Takes(),
        "Scale": Takes(),
        "Sigmoid": Takes(),
        "Slice": Takes(),
        "Softmax": Takes(),
        "Split": Takes(),
        "TanH": Takes(),
        "Tile": Takes(),
        "Upsample": Takes(),
    },
)
