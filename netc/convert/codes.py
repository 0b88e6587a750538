"""Codes of the conversions between file formats."""

from __future__ import annotations

from netc.errors import Code

NO_NET = Code(
    "CNV001",
    "the file holds no net",
    why="HDF5 and safetensors files from elsewhere hold parameters by layer name, not how the layers are built and "
    "joined; a .prototxt, a .caffemodel or ONNX needs that.",
    example="netc convert weights.h5 model.caffemodel",
    fix="Give the net that the parameters belong to: netc convert net.prototxt model.caffemodel --weights weights.h5",
)
UNKNOWN_FORMAT = Code(
    "CNV002",
    "no format has this ending",
    why="The format to write is taken from the ending of the file's name.",
    example="netc convert net.prototxt model.bin",
    fix="Use .net, .prototxt, .caffemodel, .h5, .safetensors or .onnx.",
)
MISSING_PACKAGE = Code(
    "CNV003",
    "a format's package is not installed",
    why="safetensors and ONNX are written by packages of their own, which netc does not need for anything else.",
    example="netc convert net.prototxt model.onnx",
    fix="pip install 'netc[onnx]' or pip install 'netc[safetensors]'",
)
BAD_SAFETENSORS = Code(
    "CNV004",
    "a safetensors file cannot be read",
    why="The file is damaged, or its arrays are not called LAYER/0, LAYER/1, ... as the parameters of layers are.",
    example="netc convert model.safetensors model.caffemodel",
    fix="Convert files that netc wrote, or rename the arrays: blob I of layer L is called L/I.",
)
NO_PARAMETERS = Code(
    "CNV005",
    "there are no parameters to write",
    why="HDF5 and safetensors files hold parameters; a text file has none.",
    example="netc convert net.prototxt weights.h5",
    fix="Give the weight file as well: netc convert net.prototxt weights.h5 --weights model.caffemodel",
)
ONNX_NOT_READ = Code(
    "CNV006",
    "ONNX files are only written",
    why="ONNX has operators that no layer of Caffe is, and no names for layers; a net cannot be read back from it.",
    example="netc convert model.onnx net.prototxt",
    fix="Convert from the .net, .prototxt or .caffemodel file that the ONNX file was made from.",
)
NO_COUNTERPART = Code(
    "CNV010",
    "ONNX has nothing for a layer type",
    why="ONNX has a fixed set of operators. Data layers, losses, layers that keep state between runs, and layers of "
    "detectors that give as many rows as they find are not among them.",
    example='layer { name: "detection" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "y" }',
    fix="Cut the net before the layer, and do what it does in the program that runs the ONNX file.",
)
NO_COUNTERPART_FIELD = Code(
    "CNV011",
    "ONNX has nothing for what a field asks for",
    why="The layer type has a counterpart in ONNX, but not with this option: nothing there would give the same "
    "numbers.",
    example="pooling_param { pool: STOCHASTIC kernel_size: 3 }",
    fix="Change the field named in the message, if the net allows it.",
)
