"""Giving an installed OpenCV the names of `cv2.dnn` that it lacks."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from netc.dnn.choosing import chosen
from netc.dnn.names import HOME


def install() -> ModuleType:
    """Put what `cv2.dnn` lacks into it, and return it; what OpenCV has stays its own.

    Only its `readNet` is replaced, where it lacks `readNetFromCaffe`: it reads Caffe's nets, too, then.
    So other packages' `cv2.dnn.readNetFromCaffe` works under OpenCV 5. Raises ImportError if OpenCV is not installed.
    """
    theirs: Any = import_module("cv2").dnn
    if hasattr(theirs, "readNet") and not hasattr(theirs, "readNetFromCaffe"):
        theirs.readNet = chosen(theirs.readNet)
    for name, module in HOME.items():
        if name != "error" and not hasattr(theirs, name):
            setattr(theirs, name, getattr(import_module(module), name))
    sys.modules.setdefault("cv2.dnn", theirs)
    found: ModuleType = theirs
    return found
