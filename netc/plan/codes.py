"""What can be wrong with a net whose layers and blobs are known, but whose shapes or gradients do not work out."""

from __future__ import annotations

from netc.errors import Code

BAD_DIMENSION = Code(
    "PLN001",
    "a dimension that is zero or negative",
    why="A blob with such a dimension holds nothing, so nothing that reads it can compute anything.",
    example="netc check net.prototxt --layers mine.py  # whose `setup` gives a top of 2x0",
    fix="Follow the trail in the notes to the layer that makes the dimension vanish; often an input is too small for "
    "the strides and kernels that follow.",
)
TOO_LARGE = Code(
    "PLN002",
    "a blob with more than 2^31 - 1 values, or 32 axes",
    why="Caffe counts the values of a blob in 32 bits, and gives it at most 32 axes, so no file may ask for more.",
    example="x = Input() { shape { dim: [65536, 65536] } }\ny = ReLU(x)",
    fix="Use a smaller batch, image or num_output.",
)
SHARED_SHAPE = Code(
    "PLN003",
    "shared parameters of different shapes",
    why="Parameters with the same name are one blob, so the layers that use it must agree on its shape; with "
    "`share_mode: PERMISSIVE` they must agree on the number of values only.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    'a = InnerProduct(x) { num_output: 10 param { name: "w" } }\n'
    'b = InnerProduct(a) { num_output: 20 param { name: "w" } }',
    fix="Give the parameters different names, or make the layers alike.",
)
SHARED_MULTIPLIER = Code(
    "PLN004",
    "shared parameters with different multipliers",
    why="A shared parameter is updated once, with one lr_mult and one decay_mult.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "a = ReLU(x)\n"
    'b = Scale(x) { param { name: "w" lr_mult: 1 } }\n'
    'c = Scale(a) { param { name: "w" lr_mult: 2 } }',
    fix="Write the multiplier in one place, or the same one everywhere.",
)
TOO_MANY_SPECS = Code(
    "PLN005",
    "more `param` than the layer has parameters",
    why="Each `param` belongs to one parameter blob, in order. One too many is a mistake about who learns what.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\ny = ReLU(x) { param { lr_mult: 1 } }",
    fix="Take the `param` out; `netc explain TYPE` lists the parameters of a type.",
)
NO_GRADIENT = Code(
    "PLN006",
    "a gradient has to pass a layer that gives none",
    why="The layer stands between a loss and layers that learn, but its output does not change smoothly with its "
    "input.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "fc = InnerProduct(x) { num_output: 4 }\n"
    "t = Threshold(fc)\n"
    "label = Input() { shape { dim: [2, 4] } }\n"
    "loss = EuclideanLoss(t, label)",
    fix="Use a layer that has a gradient, or stop the gradient with `propagate_down: false` in the layer.",
)
LABEL_GRADIENT = Code(
    "PLN007",
    "a loss cannot give a gradient to one of its bottoms",
    why="The bottom (labels, say) is computed by layers that learn, but the loss is not differentiable in it.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "fc = InnerProduct(x) { num_output: 10 }\n"
    "learned = InnerProduct(x) { num_output: 1 }\n"
    "loss = SoftmaxWithLoss(fc, learned)",
    fix="Say `propagate_down: true propagate_down: false` if the gradient should stop there.",
)
UNKNOWN_INPUT = Code(
    "PLN008",
    "a shape for an input that the net does not have",
    why="Shapes can be given for the tops of Input and data layers.",
    example="netc summary net.prototxt --input dta=1x3x224x224",
    fix="Use the blob's name as the file writes it.",
)
BAD_INPUT_SHAPE = Code(
    "PLN009",
    "a given shape or batch size that no input can have",
    why="A batch size replaces the first dimension of the inputs; every dimension must be at least 1.",
    example="netc summary net.prototxt --batch 0",
    fix="Give whole numbers of at least 1.",
)
NOT_BY_ROWS = Code(
    "PLN036",
    "a parameter that cannot be updated by rows",
    why="`lazy: true` updates only the rows of a table that a batch reads, as an Embed layer does. A layer that reads "
    "all of a parameter has a gradient for all of it.",
    example="x = Input() { shape { dim: [2, 8] } }\ny = InnerProduct(x) { num_output: 10 param { lazy: true } }",
    fix="Take `lazy: true` out, or give the layer that reads all of the table a parameter of its own.",
)
