"""The package onnx, which is an extra and slow to import."""

from __future__ import annotations

from typing import Any

from netc.convert.codes import MISSING_PACKAGE
from netc.errors import Diagnostic, NetError


def package() -> Any:
    """The package; raises NetError (CNV003) without it."""
    try:
        import onnx  # noqa: PLC0415
        import onnx.checker  # noqa: PLC0415
        import onnx.helper  # noqa: PLC0415
        import onnx.numpy_helper  # noqa: PLC0415
    except ImportError:
        raise NetError(Diagnostic(MISSING_PACKAGE, "onnx is not installed", help="pip install 'netc[onnx]'")) from None
    return onnx
