"""Giving an installed OpenCV the names of `cv2.dnn` that it lacks."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from netc.dnn import models, registry
from netc.dnn.choosing import chosen, is_caffe
from netc.dnn.names import HOME
from netc.dnn.net import Net

MODELS = ("ClassificationModel", "DetectionModel", "KeypointsModel", "Model", "SegmentationModel")


def install() -> ModuleType:
    """Put what `cv2.dnn` lacks into it, and return it; what OpenCV has stays its own.

    Where it lacks `readNetFromCaffe`, its `readNet`, its models and `cv2.dnn_registerLayer` are replaced by ones that
    do for Caffe's nets what netc does, and leave others to OpenCV's. So other packages' `cv2.dnn.readNetFromCaffe`
    works under OpenCV 5. Raises ImportError if OpenCV is not installed.
    """
    cv2 = import_module("cv2")
    theirs: Any = cv2.dnn
    if not hasattr(theirs, "readNetFromCaffe"):
        _share(cv2, theirs)
    for name, module in HOME.items():
        home = cv2 if name.startswith("dnn_") else theirs
        if name != "error" and not hasattr(home, name):
            setattr(home, name, getattr(import_module(module), name))
    sys.modules.setdefault("cv2.dnn", theirs)
    found: ModuleType = theirs
    return found


def _share(cv2: Any, theirs: Any) -> None:
    """Replace what OpenCV has for its own nets by what takes both."""
    if hasattr(theirs, "readNet"):
        theirs.readNet = chosen(theirs.readNet)
    for name in MODELS:
        if hasattr(theirs, name):
            both = _either(getattr(models, name), getattr(theirs, name))
            setattr(theirs, name, both)
            setattr(cv2, f"dnn_{name}", both)
    if hasattr(cv2, "dnn_registerLayer"):
        _share_registry(cv2)


def _either(ours: type, theirs: Any) -> type:
    """A class that makes netc's model for a net of Caffe, and OpenCV's for another."""

    def new(cls: type, model: Any = None, config: Any = "", **named: Any) -> Any:
        net = named.get("network", model)
        if isinstance(net, Net) or is_caffe(net, config):
            return object.__new__(cls)
        arguments = (model, config) if config else (model,)
        return theirs(*(each for each in arguments if each is not None), **named)

    return type(ours.__name__, (ours,), {"__new__": new, "__doc__": ours.__doc__})


def _share_registry(cv2: Any) -> None:
    """Register classes with OpenCV, too; but one for each type, since it ends the process at a second one."""
    give, take = cv2.dnn_registerLayer, cv2.dnn_unregisterLayer

    def register(type: str, layerClass: registry.Maker) -> None:
        if type not in registry.registered():
            give(type, layerClass)
        registry.dnn_registerLayer(type, layerClass)

    def unregister(type: str) -> None:
        registry.dnn_unregisterLayer(type)
        if type not in registry.registered():
            take(type)

    cv2.dnn_registerLayer, cv2.dnn_unregisterLayer = register, unregister
