"""Tools that read Caffe's files, one a file."""

from __future__ import annotations

from netc.convert.caffe.profile import Profile
from netc.convert.caffe.profiles import ascend, ncnn, openvino, rknn, tpu_mlir

PROFILES: dict[str, Profile] = {
    "ncnn": ncnn.PROFILE,
    "openvino": openvino.PROFILE,
    "rknn": rknn.PROFILE,
    "ascend": ascend.PROFILE,
    "tpu-mlir": tpu_mlir.PROFILE,
}
"""By what `--for` calls them."""
