"""ncnn: what caffe2ncnn writes out completely, and ncnn's layers compute as Caffe's.

A type without a branch of its own keeps its name and loses fields and parameters, so it is here only if it has none.
Left out, as their numbers differ: Interp (corners do not lie on corners), averages over padding (it does not count).
"""

from __future__ import annotations

from netc.convert.caffe.draft import Draft, Layer
from netc.convert.caffe.profile import Profile, reads
from netc.convert.caffe.profiles._windows import CONVOLUTION, ONE_EACH, POOLING


def _no_padded_average(draft: Draft, layer: Layer) -> str:
    p = layer.of("pooling_param")
    padded = any(p.get(name) for name in ("pad", "pad_h", "pad_w"))
    return "that averages over padding, which does not count there" if padded and p.get("pool") == "AVE" else ""


def _first_axis_stays(draft: Draft, layer: Layer) -> str:
    order = layer.of("permute_param").get("order", ())
    return "that moves the batch" if order and order[0] != 0 else ""


def _scales_channels(draft: Draft, layer: Layer) -> str:
    axis = layer.of("scale_param").get("axis", 1)
    if len(layer.bottoms) == 1:
        return "" if axis == 1 and layer.blobs[0].ndim == 1 else "of anything but channels"
    return "" if axis == 0 and len(draft.shapes[layer.bottoms[1]]) == 2 else "of anything but channels"


def _batch_first(draft: Draft, layer: Layer) -> str:
    dims = layer.of("reshape_param")["shape"].dim if "shape" in layer.of("reshape_param") else ()
    same = draft.shapes[layer.tops[0]][:1] == draft.shapes[layer.bottoms[0]][:1]
    return "" if same and 1 < len(dims) <= 4 else "that does not keep the batch"


def _plain_detections(draft: Draft, layer: Layer) -> str:
    p = layer.node.record.detection_output_param
    plain = p.share_location and p.background_label_id == 0 and p.code_type == "CENTER_SIZE"
    return "" if plain and not p.variance_encoded_in_target else "with other boxes than CENTER_SIZE of shared locations"


PROFILE = Profile(
    "ncnn",
    "https://github.com/Tencent/ncnn/blob/master/tools/caffe/caffe2ncnn.cpp",
    {
        "AbsVal": reads(),
        "BNLL": reads(),
        "BatchNorm": reads("eps"),
        "Concat": reads("axis", axes=("axis",)),
        "Convolution": reads(*CONVOLUTION, one=ONE_EACH, ranks=(4,), bottoms=(1,)),
        "Crop": reads("axis", "offset", axes=("axis",)),
        "Deconvolution": reads(*CONVOLUTION, one=ONE_EACH, ranks=(4,), bottoms=(1,)),
        "DetectionOutput": reads(
            "num_classes",
            "nms_param",
            "keep_top_k",
            "confidence_threshold",
            "share_location",
            "background_label_id",
            "code_type",
            where=_plain_detections,
        ),
        "Dropout": reads("dropout_ratio", "scale_train"),
        "ELU": reads("alpha"),
        "Eltwise": reads("operation", "coeff"),
        "Embed": reads("num_output", "input_dim", "bias_term"),
        "Exp": reads(),
        "Flatten": reads(),
        "InnerProduct": reads("num_output", "bias_term"),
        "Input": reads("shape", ranks=(2, 3, 4)),
        "LRN": reads("norm_region", "local_size", "alpha", "beta"),
        "Log": reads(),
        "MVN": reads("normalize_variance", "across_channels", "eps"),
        "Normalize": reads("across_spatial", "channel_shared", "eps"),
        "PReLU": reads("channel_shared"),
        "PSROIPooling": reads("group_size", "spatial_scale", "output_dim"),
        "Permute": reads("order", ranks=(4,), where=_first_axis_stays),
        "Pooling": reads(*POOLING, only={"pool": ("MAX", "AVE")}, where=_no_padded_average),
        "Power": reads("power", "scale", "shift"),
        "PriorBox": reads(
            "min_size",
            "max_size",
            "aspect_ratio",
            "flip",
            "clip",
            "variance",
            "img_size",
            "img_h",
            "img_w",
            "step",
            "step_h",
            "step_w",
            "offset",
        ),
        "ROIPooling": reads("pooled_h", "pooled_w", "spatial_scale"),
        "ReLU": reads("negative_slope"),
        "ReLU6": reads(),
        "Reshape": reads("shape", where=_batch_first),
        "Scale": reads("axis", "bias_term", where=_scales_channels),
        "ShuffleChannel": reads("group"),
        "Sigmoid": reads(),
        "Slice": reads("axis", "slice_point", axes=("axis",)),
        "Softmax": reads("axis", axes=("axis",)),
        "TanH": reads(),
        "Threshold": reads("threshold"),
    },
    apart=" \t\r\n\v\f",
)
