"""What the pycaffe interface says when it says no: netc's diagnostics, as the RuntimeError that scripts expect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from netc.errors import Code, Diagnostic, NetError
from netc.layer import SHAPE_UNKNOWN

PASS_ARGUMENTS = Code(
    "RUN060",
    "the arrays given to forward or backward do not fit the net",
    why="`forward(**inputs)` takes an array for every input of the net and no others, `backward(**diffs)` one for "
    "every output; each must have the batch size of its blob.",
    example="net.forward(image=x)  # the net's input is called data",
    fix="Use the names in `net.inputs` (or `net.outputs`), and reshape the input blob if the batch size is another.",
)
NOT_MEMORY_DATA = Code(
    "RUN061",
    "set_input_arrays needs a MemoryData layer that fits",
    why="The arrays become the data of the net's first layer, which must be MemoryData. They must be C-contiguous "
    "float32 arrays of four axes with the layer's channels, height and width, and a multiple of its batch size.",
    example="net.set_input_arrays(images.astype(float), labels)  # float64",
    fix="images = np.ascontiguousarray(images, dtype=np.float32)",
)
FIXED_SHAPE = Code(
    "RUN062",
    "a layer cannot run with a parameter of this shape",
    why="A parameter's shape follows from its layer's fields. A script may give it another number of values and save "
    "them, as net surgery does, but the layer has no use for them.",
    example='net.params["conv1"][0].reshape(64, 3, 5, 5); net.forward()  # conv1 has a kernel of 3',
    fix="Save the net, change the layer's fields, and load what was saved.",
)
NO_PILLOW = Code(
    "RUN063",
    "images need Pillow",
    why="caffe.io.load_image reads images through Pillow, which comes with netc; somebody has taken it away.",
    example='caffe.io.load_image("cat.jpg")',
    fix="pip install Pillow",
)
BAD_IMAGE = Code(
    "RUN064",
    "the image cannot be read",
    why="The file is not there, is not an image, or is damaged.",
    example='caffe.io.load_image("missing.jpg")',
    fix="Check the path, and open the file with another program.",
)
PHASE = Code(
    "RUN065",
    "a net needs a phase",
    why="`caffe.Net` builds the net of one phase: caffe.TRAIN or caffe.TEST.",
    example='caffe.Net("deploy.prototxt", 3)',
    fix='caffe.Net("deploy.prototxt", caffe.TEST)',
)
ONE_MACHINE = Code(
    "RUN066",
    "not on several graphics cards",
    why="netc runs on a CPU; pycaffe's NCCL is for several graphics cards in one machine.",
    example="caffe.NCCL(solver, uid)",
    fix="Leave it out: one process uses all cores.",
)


SIZE = "put the data where the layer looks for it, or have the layer crop (transform_param { crop_size: ... })"
"""What a script can do about a data layer whose shape is not known; it has no option to say it."""


class CaffeError(NetError, RuntimeError):
    """A NetError that is a RuntimeError too, as pycaffe raises."""


def refuse(code: Code, message: str, help: str | None = None) -> CaffeError:
    """The error to raise."""
    return CaffeError(Diagnostic(code, message, help=help))


@contextmanager
def as_pycaffe_raises() -> Iterator[None]:
    """Within `with`, netc's errors become CaffeErrors with the same diagnostics."""
    try:
        yield
    except CaffeError:
        raise
    except NetError as error:
        said = [replace(d, help=SIZE) if d.code is SHAPE_UNKNOWN else d for d in error.diagnostics]
        raise CaffeError(said) from error.__cause__  # what a Python layer raised, if one did
