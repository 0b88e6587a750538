"""The codes of the OpenCV interface, and errors as its scripts catch them: `cv2.error` where OpenCV is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from netc.errors import Code, Diagnostic, NetError

NO_INPUT = Code(
    "RUN080",
    "the net has been given no input",
    why="`forward` runs the net on what `setInput` has given it, and nothing was given yet for one of its inputs.",
    example='net = dnn.readNetFromCaffe("deploy.prototxt", "model.caffemodel"); net.forward()',
    fix="net.setInput(blob); net.forward()",
)
BAD_BLOB = Code(
    "RUN081",
    "the array is no blob",
    why="An input, or a parameter of a layer, is an array of numbers; a parameter has as many values as the layer's "
    "fields say. The message says what was given.",
    example="net.setInput(None)",
    fix="net.setInput(dnn.blobFromImage(image, 1.0, (300, 300), (104, 177, 123)))",
)
EMPTY = Code(
    "RUN082",
    "the net is empty",
    why="`Net()` has no layers. Nets come from `readNetFromCaffe`.",
    example="dnn.Net().forward()",
    fix='net = dnn.readNetFromCaffe("deploy.prototxt", "model.caffemodel")',
)
BAD_IMAGE = Code(
    "RUN083",
    "the array is no image, or cannot become the blob that was asked for",
    why="`blobFromImage` takes an array of height x width, or height x width x channels (1, 3 or 4), as cv2.imread "
    "gives it. cv2.imread gives None for a file that it cannot read.",
    example='dnn.blobFromImage(cv2.imread("missing.jpg"))',
    fix='image = cv2.imread("cat.jpg"); assert image is not None; dnn.blobFromImage(image, 1.0, (224, 224))',
)
BAD_BOXES = Code(
    "RUN084",
    "the boxes cannot be told apart",
    why="Non-maximum suppression takes a list of boxes, four numbers each (x, y, width, height), and one score a box.",
    example="dnn.NMSBoxes([[10, 10, 50]], [0.9], 0.5, 0.4)",
    fix="dnn.NMSBoxes([[10, 10, 50, 40]], [0.9], 0.5, 0.4)",
)
NOT_CAFFE = Code(
    "RUN085",
    "the net is in another format",
    why="`readNet` tells formats apart by the files' extensions. netc reads Caffe's; others are left to OpenCV, which "
    "is not installed.",
    example='dnn.readNet("yolo.onnx")',
    fix='dnn.readNet("deploy.prototxt", "model.caffemodel")',
)

NOT_REGISTERED = Code(
    "RUN086",
    "no class was given for the layer type",
    why="`dnn_unregisterLayer` takes back the class that `dnn_registerLayer` gave last for a type.",
    example='cv2.dnn_unregisterLayer("Crop")  # without dnn_registerLayer("Crop", CropLayer) before',
    fix="Call it once for each dnn_registerLayer of the type.",
)
CLASS_FAILED = Code(
    "RUN087",
    "the class of a layer failed",
    why="The class that `dnn_registerLayer` gave for the layer's type raised an exception, or made arrays of other "
    "shapes than its getMemoryShapes says. The message gives the method and the exception.",
    example="def getMemoryShapes(self, inputs): return [inputs[5]]",
    fix="getMemoryShapes returns a list of shapes, one for each top; forward a list of arrays of these shapes.",
)
NO_ASYNC = Code(
    "RUN088",
    "there is no asynchronous forward",
    why="OpenCV has `forwardAsync` for Intel's inference engine only. netc runs a net when it is asked to.",
    example="net.forwardAsync().get()",
    fix="net.forward(); for several images at once, netc.Pool",
)
BAD_SHAPE = Code(
    "RUN089",
    "the shapes are not those of the net's inputs",
    why="Figures of a net are asked for by the shapes of its inputs: one shape, or a list with a shape for each input.",
    example="net.getFLOPS([224, 224])",
    fix="net.getFLOPS([1, 3, 224, 224])",
)

BAD_OUTPUT = Code(
    "RUN090",
    "the net does not give what the model reads",
    why="A DetectionModel reads the rows of a DetectionOutput, a ClassificationModel one output of scores, a "
    "KeypointsModel or SegmentationModel maps.",
    example='dnn.DetectionModel("squeezenet.prototxt", "squeezenet.caffemodel").detect(frame)',
    fix="Use the model class that fits the net, or say by setOutputNames which layer it should read.",
)


def _base() -> Any:
    try:
        return import_module("cv2").error
    except (ImportError, AttributeError):
        return Exception


error: type[NetError] = type("error", (NetError, _base()), {"__doc__": "A NetError that is OpenCV's `cv2.error` too."})


def refuse(code: Code, message: str, help: str | None = None) -> NetError:
    """The error to raise."""
    return error(Diagnostic(code, message, help=help))


@contextmanager
def as_opencv_raises() -> Iterator[None]:
    """Within `with`, netc's errors become `cv2.error`s with the same diagnostics."""
    try:
        yield
    except error:
        raise
    except NetError as found:
        raise error(found.diagnostics) from found.__cause__
