"""Where each name of `netc.dnn` stands: the file that is imported when it is first used."""

from __future__ import annotations

NAMES = {
    "netc.dnn.reading": ("readNetFromCaffe",),
    "netc.dnn.choosing": ("readNet",),
    "netc.dnn.net": ("Net",),
    "netc.dnn.layers": ("Layer",),
    "netc.dnn.registry": ("dnn_registerLayer", "dnn_unregisterLayer"),
    "netc.dnn.models": ("ClassificationModel", "DetectionModel", "KeypointsModel", "Model", "SegmentationModel"),
    "netc.dnn.errors": ("error",),
    "netc.dnn.blobs": ("blobFromImage", "blobFromImages", "imagesFromBlob"),
    "netc.dnn.nms": ("NMSBoxes", "NMSBoxesBatched", "softNMSBoxes"),
    "netc.dnn.constants": (
        "DNN_BACKEND_CANN",
        "DNN_BACKEND_CUDA",
        "DNN_BACKEND_DEFAULT",
        "DNN_BACKEND_HALIDE",
        "DNN_BACKEND_INFERENCE_ENGINE",
        "DNN_BACKEND_OPENCV",
        "DNN_BACKEND_TIMVX",
        "DNN_BACKEND_VKCOM",
        "DNN_BACKEND_WEBNN",
        "DNN_TARGET_CPU",
        "DNN_TARGET_CPU_FP16",
        "DNN_TARGET_CUDA",
        "DNN_TARGET_CUDA_FP16",
        "DNN_TARGET_FPGA",
        "DNN_TARGET_HDDL",
        "DNN_TARGET_MYRIAD",
        "DNN_TARGET_NPU",
        "DNN_TARGET_OPENCL",
        "DNN_TARGET_OPENCL_FP16",
        "DNN_TARGET_VULKAN",
        "SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN",
        "SOFT_NMSMETHOD_SOFTNMS_LINEAR",
        "SoftNMSMethod_SOFTNMS_GAUSSIAN",
        "SoftNMSMethod_SOFTNMS_LINEAR",
    ),
}
HOME = {name: module for module, names in NAMES.items() for name in names}
