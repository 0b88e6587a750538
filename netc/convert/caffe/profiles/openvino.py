"""OpenVINO: what the Model Optimizer's Caffe front end takes; it was taken out after version 2023.

It gives each Input layer one shape, and reads InnerProduct from axis 1 on, Reshape without `axis` and `num_axes`.
"""

from __future__ import annotations

from netc.convert.caffe.profile import Profile, Takes, reads

PROFILE = Profile(
    "OpenVINO",
    "https://github.com/openvinotoolkit/openvino/tree/releases/2022/3/tools/mo/openvino/tools/mo/front/caffe; "
    "https://docs.openvino.ai/2022.1/openvino_docs_MO_DG_prepare_model_Supported_Frameworks_Layers.html",
    {
        "ArgMax": Takes(),
        "Axpy": Takes(),
        "BatchNorm": reads("eps", "use_global_stats", only={"use_global_stats": (True,)}),
        "Bias": Takes(),
        "Concat": Takes(),
        "Convolution": Takes(),
        "Crop": Takes(),
        "Deconvolution": Takes(),
        "DetectionOutput": Takes(),
        "Dropout": Takes(),
        "ELU": Takes(),
        "Eltwise": Takes(),
        "Flatten": Takes(),
        "InnerProduct": reads("num_output", "bias_term", "transpose"),
        "Input": Takes(),
        "Interp": Takes(),
        "LRN": Takes(),
        "MVN": Takes(),
        "Normalize": Takes(),
        "PReLU": Takes(),
        "PSROIPooling": Takes(),
        "Permute": Takes(),
        "Pooling": Takes(only={"pool": ("MAX", "AVE")}),
        "Power": Takes(),
        "PriorBox": Takes(),
        "PriorBoxClustered": Takes(),
        "Proposal": Takes(),
        "ROIPooling": Takes(),
        "ReLU": Takes(),
        "ReLU6": reads(),
        "Reshape": reads("shape"),
        "Scale": Takes(),
        "ShuffleChannel": Takes(),
        "Sigmoid": Takes(),
        "Slice": Takes(),
        "Softmax": Takes(),
        "Split": Takes(),
        "TanH": Takes(),
        "Tile": Takes(),
    },
)
