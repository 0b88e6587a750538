"""Caffe's messages: `from caffe.proto import caffe_pb2`."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "caffe_pb2":
        raise AttributeError(f"module 'caffe.proto' has no attribute {name!r}")
    return import_module("netc.caffe.proto.caffe_pb2")
