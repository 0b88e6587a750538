"""Reading nets whose format shows in their files' names."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from netc.dnn.errors import NOT_CAFFE, refuse
from netc.dnn.reading import readNetFromCaffe

CAFFE = ("prototxt", "caffemodel")
Reader = Callable[..., Any]


def readNet(model: Any, config: Any = "", framework: str = "") -> Any:
    """A net from two files in either order, told apart by their extensions; or of a framework that is named.

    What is not Caffe's is read by OpenCV, where that is installed. Raises error(RUN085).
    """
    return chosen(_opencv)(model, config, framework)


def chosen(other: Reader) -> Reader:
    """A `readNet` that gives another reader what is not Caffe's."""

    def read(model: Any, config: Any = "", framework: str = "", *rest: Any, **options: Any) -> Any:
        if framework.lower() != "caffe" and not is_caffe(model, config):
            return other(model, config, framework, *rest, **options)
        if _extension(model) == "prototxt" or _extension(config) == "caffemodel":
            model, config = config, model
        return readNetFromCaffe(config, model)

    return read


def is_caffe(model: Any, config: Any) -> bool:
    """Whether one of two files is Caffe's by its name."""
    return bool(set(CAFFE) & {_extension(model), _extension(config)})


def _extension(path: Any) -> str:
    return os.fspath(path).rpartition(".")[2].lower() if isinstance(path, str | os.PathLike) else ""


def _opencv(model: Any, config: Any, framework: str) -> Any:
    try:
        theirs: Any = import_module("cv2").dnn.readNet
    except (ImportError, AttributeError):
        help = "name a .prototxt and a .caffemodel, or install OpenCV for other formats"
        raise refuse(NOT_CAFFE, f"{model!r} is not Caffe's by its name", help=help) from None
    return theirs(model, config, framework)
