"""OpenCV's `cv2.dnn` on netc: scripts that load Caffe models through it run where OpenCV has no Caffe reader.

    from netc import dnn

    net = dnn.readNetFromCaffe("deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel")
    net.setInput(blob)
    detections = net.forward()

OpenCV need not be installed. If it is, errors are `cv2.error`s, as scripts catch them. docs/opencv.md says what is
there and what differs. Everything is imported when it is first used.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "netc.dnn.reading": ("readNetFromCaffe",),
    "netc.dnn.choosing": ("readNet",),
    "netc.dnn.net": ("Net",),
    "netc.dnn.layers": ("Layer",),
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
_HOME = {name: module for module, names in _NAMES.items() for name in names}
__all__ = list(_HOME)


def install() -> Any:
    """Put what an installed OpenCV's `cv2.dnn` lacks into it, and return it. Raises ImportError without OpenCV."""
    return import_module("netc.dnn.installing").install()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'netc.dnn' has no attribute {name!r}")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
