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
    fix="Use .net, .prototxt, .caffemodel, .h5, .safetensors, .onnx or .py (PyTorch).",
)
MISSING_PACKAGE = Code(
    "CNV003",
    "a format's package is not installed",
    why="ONNX is written, safetensors are read, and what was made is checked by packages of their own, which netc does "
    "not need for anything else.",
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
NAMES_CLASH = Code(
    "CNV007",
    "two layers with parameters have one name",
    why="A safetensors file holds arrays by name, and blob I of layer L is called L/I: of two layers with one name "
    "only one could be kept. (A .caffemodel holds layers one after the other, and keeps both.)",
    example='layer { name: "c" type: "Convolution" ... } layer { name: "c" type: "Convolution" ... }',
    fix="Give one of the layers another name, or convert to .caffemodel.",
)
NO_HALF = Code(
    "CNV008",
    "the format has no parameters in FP16",
    why="--half stores parameters in two bytes each. Files of text hold none.",
    example="netc convert model.caffemodel model.prototxt --half",
    fix="Convert to .caffemodel, .h5, .safetensors or .onnx.",
)
NOT_HALF = Code(
    "CNV009",
    "a value is too large for FP16",
    why="FP16 ends at 65504; a larger value would become infinite, and every output with it.",
    example="netc convert model.caffemodel half.caffemodel --half",
    fix="Keep the parameters in FP32 (leave --half out), or scale the layer down.",
)
NO_COUNTERPART = Code(
    "CNV010",
    "the format has nothing for a layer type",
    why="A format has a fixed set of operators. Data layers, losses, and layers that keep state between runs are not "
    "among them.",
    example='layer { name: "loss" type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "same" top: "loss" }',
    fix="End before the layer (--upto BLOB), and do what it does in the program that runs the file.",
)
NO_COUNTERPART_FIELD = Code(
    "CNV011",
    "the format has nothing for what a field asks for",
    why="The layer type has a counterpart in the format, but not with this option: nothing there would give the same "
    "numbers.",
    example="pooling_param { pool: STOCHASTIC kernel_size: 3 }",
    fix="Change the field named in the message, if the net allows it.",
)
NOT_TAKEN = Code(
    "CNV012",
    "an option says nothing about a format",
    why="Each format is made of other things: shapes of inputs mean nothing to a file of parameters, say. An option "
    "that would be ignored is more likely a mistake.",
    example="netc convert net.prototxt net.net --batch 4",
    fix="Leave the option out, or convert to a format that takes it.",
)
DIFFERS = Code(
    "CNV013",
    "what was converted gives other numbers",
    why="`--check` runs the net on netc, and what was made of it on the program that it is for, on the same inputs, "
    "and compares the top of each layer. The message names the first that differs, so the mistake is in that layer: in "
    "how it was written, or in how the other program runs it. Nothing was written.",
    example="netc convert net.prototxt model.onnx --half --check",
    fix="A larger --tolerance lets rounding pass (FP16 keeps three digits); anything else is worth a report.",
)
NOT_CHECKED = Code(
    "CNV014",
    "there is nothing to check",
    why="`--check` runs what was made. Text and parameters alone do not run, and nodes that a program has for itself "
    "(those of `netc convert --domain opencv`) run there only.",
    example="netc convert net.prototxt net.net --check",
    fix="Leave --check out, or convert to a format that holds a net that runs.",
)
NOT_FREE = Code(
    "CNV016",
    "a size cannot be free",
    why="`--dynamic` leaves sizes of the inputs open. A layer whose parameters or fields hold a size (InnerProduct "
    "over a plane, a Reshape to numbers) works for that size only.",
    example="netc convert nets/lenet.net lenet.onnx --dynamic H,W",
    fix="Free fewer axes (--dynamic N frees the batch only), or change the layer that is named.",
)
BAD_OPSET = Code(
    "CNV017",
    "this version of ONNX's operators is not written",
    why="Each ONNX file says which version of the operators it uses. Older ones lack operators that nets need, newer "
    "ones are not known yet.",
    example="netc convert net.prototxt model.onnx --opset 9",
    fix="Take a version of the list, 17 if nothing speaks for another one.",
)
TOO_LARGE_FOR_ONNX = Code(
    "CNV018",
    "the ONNX file would be too large",
    why="An ONNX file is one protobuf message, which has at most 2 GB.",
    example="netc convert enormous.prototxt model.onnx",
    fix="Store parameters in half as many bytes: --half.",
)
NO_BLOB = Code(
    "CNV019",
    "the net has no such blob",
    why="`--upto` names blobs of the net that predicts, with which the file is to end. Data, labels and losses are not "
    "in it.",
    example="netc convert nets/lenet.net lenet.onnx --upto pool5",
    fix="`netc summary` shows the blobs of a net.",
)
NO_PREPROCESSING = Code(
    "CNV020",
    "nothing says how images were prepared",
    why="`--with-preprocessing` puts what was done to images in training (mean, crop, scale) in front of the net. "
    "netc's own snapshots say what that was, and so does a data layer, or an Input, that has a transform_param.",
    example="netc convert deploy.prototxt model.onnx --with-preprocessing",
    fix="Write it at the Input: transform_param { mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.017 }",
)
UNKNOWN_TOOL = Code(
    "CNV021",
    "no tool of this name is known",
    why="`--for` names the tool that is to read the files; netc knows what some tools' Caffe readers take.",
    example="netc convert net.prototxt folder --to caffe --for tensorrt",
    fix="Use one of the tools that the message names, or leave --for out for BVLC's Caffe.",
)
BAD_GIVEN = Code(
    "CNV015",
    "inputs to check on do not fit the net",
    why="`--given` names a .npz file with an array for each input of the net, under its blob's name, with as many "
    "axes. The net runs at the arrays' sizes.",
    example="netc convert net.prototxt model.onnx --check --given labels.npz",
    fix="Save the arrays under the names of the net's inputs: numpy.savez('given.npz', data=images).",
)
