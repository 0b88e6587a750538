"""What can go wrong when a planned net is run."""

from netc.errors import Code

UNKNOWN_BLOB = Code(
    "RUN010",
    "the net has no such blob",
    why="A blob was asked for, or an input was given, under a name that no layer of this phase uses.",
    example='net.set_input("image", x)  # the input is called "data"',
    fix="Use one of the names in the message.",
)
INPUT_SHAPE = Code(
    "RUN011",
    "an input has the wrong shape",
    why="Shapes, and with them all memory, are settled when the net is planned; no other shape fits until it is "
    "planned again.",
    example='net.set_input("data", np.zeros((1, 3, 224, 224)))  # planned for 10x3x227x227',
    fix="Plan the net for the shape that you feed: `--input data=1x3x224x224`; in Python `inputs=`, or "
    "`net.reshape(data=(1, 3, 224, 224))`, or `net.forward(data=images)`, which takes any shape.",
)
BLOB_REUSED = Code(
    "RUN012",
    "the blob's memory has been used for something else",
    why="The planner lets blobs that are not needed any more share memory, so that a net takes as little as possible. "
    "This blob is not the net's output, and its memory holds other values by now.",
    example='net.forward(); net.blobs["conv1"]',
    fix="Plan the net with `keep=True`: then every blob and every gradient has memory of its own.",
)
UNKNOWN_LAYER = Code(
    "RUN013",
    "the net has no such layer",
    why="Forward or backward was asked to start or end at a layer that this phase of the net does not have.",
    fix="Use one of the names in the message.",
)
NO_BACKWARD = Code(
    "RUN014",
    "the net was planned without backward",
    why="Memory for gradients is only planned when it is asked for; this net was planned for inference.",
    fix="Plan it with `backward=True`.",
)
PARAMETER_SHAPE = Code(
    "RUN015",
    "two nets share a parameter blob of different shapes",
    why="A test net uses the parameters of the train net, layer by layer, by name. A layer of the same name must have "
    "parameter blobs of the same shapes in both.",
    fix="Give the layer the same fields in both phases, or another name in one of them.",
)
NO_DATA = Code(
    "RUN016",
    "a data layer has no data",
    why="The layer's tops are filled from a source, and the net was made without one for this layer.",
    fix="Give the net a source for the layer, or set its tops by name before each forward pass.",
)
TOO_LARGE = Code(
    "RUN017",
    "a dynamic layer gave more than was planned",
    why="The planner reserves memory for the largest shape that a layer may give; a layer that goes beyond it, or that "
    "makes a later layer do so, would overwrite other values.",
    fix="Report this: it is a mistake in the layer file.",
)
STRAY_WRITE = Code(
    "RUN018",
    "a layer wrote outside its own memory",
    why="In debug mode every step's writes are compared with what the plan lets it write. A layer that writes "
    "elsewhere silently changes other values.",
    fix="Report this: it is a mistake in the layer file or in the plan.",
)
NO_MEMORY = Code(
    "RUN019",
    "there is not enough memory",
    why="The net's plan says how many bytes it needs, and the system refused them.",
    fix="Use a smaller batch (batch_size; in training iter_size makes up for it) or smaller inputs, or train within a "
    "budget: `netc train net.prototxt --budget 2GB` (`budget=` in Python). `netc summary net.prototxt --memory` tells "
    "what a net needs before it is run.",
)
EXECUTOR = Code(
    "RUN020",
    "no such executor",
    why="A net is run by the reference executor (each layer's own kernels) or by the fast one.",
    fix='Use "reference" or "fast".',
)
REFERENCE_BF16 = Code(
    "RUN072",
    "bf16 was asked of the reference executor",
    why="The reference executor defines the numbers: each layer's own kernels, in float32 or float64. Products of "
    "bfloat16 numbers are the fast executor's.",
    example='netc.Net("nets/lenet.net", keep=True, precision="bf16")  # keep: on the reference executor',
    fix='Ask for the fast executor, too (`executor="fast"`), or for no precision.',
)
WEIGHTS_SHAPE = Code(
    "SNP010",
    "weights do not fit the net",
    why="A layer of this name has parameters in the weight file, but of other shapes, or another number of blobs. "
    "Loading only a part of a layer, or reinterpreting its values, would silently give another net.",
    example="# fc8 with num_output: 20, and a file in which fc8 has 1000 outputs",
    fix="Give the layer another name, so that it starts fresh; or ask for layers that do not fit to start fresh "
    "(`--reshape`).",
)
EMPTY_STATISTICS = Code(
    "SNP013",
    "BatchNorm statistics with factor 0 were loaded",
    why="BatchNorm's third blob counts what went into its two sums, and the statistics are sum / factor. With a factor "
    "of 0 nothing has gone in: Caffe then takes mean and variance as 0, and the layer divides by sqrt(eps). Files "
    "converted from other frameworks often hold plain statistics and forget the factor.",
    example="netc test deploy.prototxt --weights converted.caffemodel",
    fix="Set the third blob to 1 where the first two hold mean and variance themselves, and save the weights again.",
)
WEIGHTS_NOT_FINITE = Code(
    "SNP032",
    "weights that are not finite were loaded",
    why="A weight that is NaN or infinite makes everything NaN that it meets. Snapshots of a run whose loss became NaN "
    "hold such values, and so does whatever is trained from them or converted. This is a warning.",
    example="netc predict deploy.prototxt --weights diverged_iter_5000.caffemodel cat.jpg",
    fix="Take a snapshot of before the loss became NaN, and go on with a smaller base_lr or with clip_gradients.",
)
SAME_NAMES = Code(
    "SNP014",
    "weights of several layers with one name",
    why="Weights are found by the layer's name. Where several layers have one, Caffe puts what the file has last into "
    "the net's first layer of the name; the others start fresh. netc does the same, and warns of it.",
    example='layer { name: "c" type: "Convolution" ... } layer { name: "c" type: "Convolution" ... }',
    fix="Give each layer its own name, in the net and in the weight file.",
)
NOTHING_LOADED = Code(
    "SNP011",
    "the weight file has no layer of this net",
    why="Weights are found by layer name. None of the names in the file is one of this net's layers with parameters, "
    "so nothing would be loaded.",
    fix="Check that it is the right file; `names` maps layer names of the file to those of the net.",
)
RELEASED = Code(
    "RUN025",
    "the gradients of the parameters were not kept",
    why="`netc train`, and a Solver with keep_gradients=False, update each parameter in backward as soon as its "
    "gradient is complete, so that gradients need no memory of their own.",
    example="solver = netc.Solver(file, keep_gradients=False); solver.step(1); solver.net.param_diffs",
    fix="Open the solver with keep_gradients=True, or call net.zero_param_diffs(), net.forward() and net.backward().",
)
