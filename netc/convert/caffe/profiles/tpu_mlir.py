"""TPU-MLIR: what CaffeConverter.py converts, with the fields that it reads and what it asserts."""

from __future__ import annotations

from netc.convert.caffe.draft import Draft, Layer
from netc.convert.caffe.profile import Profile, Takes, reads
from netc.convert.caffe.profiles._windows import CONVOLUTION, ONE_EACH, POOLING


def _no_second_product(draft: Draft, layer: Layer) -> str:
    return "with a bias for a second bottom" if len(layer.bottoms) > 1 and layer.blobs else ""


PROFILE = Profile(
    "TPU-MLIR",
    "https://github.com/sophgo/tpu-mlir/blob/master/python/transform/CaffeConverter.py",
    {
        "AbsVal": reads(),
        "ArgMax": reads("axis", "top_k", "out_max_val", only={"top_k": (1,)}),
        "BatchNorm": reads("eps", "use_global_stats", only={"use_global_stats": (True,)}),
        "Concat": reads("axis", axes=("axis",)),
        "Convolution": reads(*CONVOLUTION, one=ONE_EACH, ranks=(4,), bottoms=(1,)),
        "Crop": reads("axis", "offset", axes=("axis",)),
        "Deconvolution": reads(*CONVOLUTION, one=ONE_EACH, ranks=(4,), bottoms=(1,)),
        "DetectionOutput": Takes(only={"variance_encoded_in_target": (False,)}),
        "Dropout": reads("dropout_ratio"),
        "Eltwise": reads("operation", "coeff"),
        "Flatten": reads(),
        "InnerProduct": reads("num_output", "bias_term", "transpose"),
        "Input": Takes(),
        "Interp": reads("height", "width", "zoom_factor", "shrink_factor", bottoms=(1,)),
        "LRN": reads("alpha", "beta", "k", "local_size"),
        "LSTM": reads("num_output", bottoms=(2,)),
        "MatMul": Takes(),
        "Normalize": Takes(),
        "PReLU": Takes(),
        "Permute": Takes(),
        "Pooling": reads(*POOLING, only={"pool": ("MAX", "AVE")}),
        "Power": Takes(),
        "PriorBox": Takes(),
        "Proposal": Takes(),
        "ROIPooling": Takes(),
        "ReLU": reads("negative_slope"),
        "ReLU6": reads(),
        "Reduction": Takes(),
        "Reshape": Takes(),
        "Scale": reads("axis", "bias_term", ranks=(2, 4), where=_no_second_product),
        "ShuffleChannel": Takes(),
        "Sigmoid": reads(),
        "Slice": Takes(),
        "Softmax": reads("axis"),
        "Split": Takes(),
        "TanH": reads(),
        "Tile": Takes(),
        "Upsample": Takes(),
    },
)
