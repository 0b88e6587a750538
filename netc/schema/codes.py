"""What can be wrong with the fields of a file (SCH) and with weight and state files (SNP)."""

from __future__ import annotations

from netc.errors import Code

UNKNOWN_FIELD = Code(
    "SCH001",
    "unknown field",
    "The message has no field of this name. Caffe stops at such a file; ignoring the field would change what the net "
    "computes without a word.",
    'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"\n'
    "  convolution_param { num_output: 20 kernel_sise: 5 } }",
    "Write the name that the message declares (here `kernel_size`). `netc explain TYPE` lists a layer type's fields.",
)
FORK_FIELD = Code(
    "SCH002",
    "field or value of a fork of Caffe",
    "This field (or enum value) exists only in a fork of Caffe, and netc does not know what it would have to compute. "
    "Without it the net would be another net.",
    'layer { name: "ohem" type: "BoxAnnotatorOHEM" bottom: "rois" top: "labels"\n'
    "  box_annotator_ohem_param { roi_per_img: 128 } }",
    "Take the layer out, replace it by layers of BVLC Caffe, or add a layer file that declares the field.",
)
WRONG_TYPE = Code(
    "SCH003",
    "value of the wrong type",
    "Each field takes one kind of value: a number, a string in quotes, true or false, the name of an enum value, or a "
    "block in braces.",
    'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"\n  inner_product_param { num_output: "ten" } }',
    "Write a value of the kind the message names, here `num_output: 10`.",
)
OUT_OF_RANGE = Code(
    "SCH004",
    "number out of range",
    "The field is stored in a fixed number of bits, and unsigned fields take no negative numbers.",
    'layer { name: "c" type: "Convolution" bottom: "data" top: "c"\n'
    "  convolution_param { num_output: 8 kernel_size: 3 pad: -1 } }",
    "Write a number in the range the message names.",
)
UNKNOWN_ENUM = Code(
    "SCH005",
    "unknown enum value",
    "The field takes one of a fixed list of names (or their numbers).",
    'layer { name: "p" type: "Pooling" bottom: "data" top: "p"\n  pooling_param { pool: AVG kernel_size: 2 } }',
    "Write one of the names the message lists, here `AVE`.",
)
GIVEN_TWICE = Code(
    "SCH006",
    "field given twice",
    "The field holds a single value, so a second one is a mistake: Caffe refuses such a file.",
    'layer { name: "relu" name: "relu1" type: "ReLU" bottom: "data" top: "data" }',
    "Keep one of the two.",
)
MISSING_FIELD = Code(
    "SCH007",
    "missing field",
    "The field is required: it has no default that would make sense.",
    'layer { name: "clip" type: "Clip" bottom: "data" top: "clip" clip_param { min: 0 } }',
    "Add the field, here `max: 6`.",
)
TOO_DEEP = Code(
    "SCH008",
    "messages nested too deeply",
    "Messages inside messages are read down to 100 levels, as protobuf does; nothing sensible needs more than ten.",
    "",
    "Take the inner messages out.",
)
NOT_REPEATED = Code(
    "SCH009",
    "list for a field with a single value",
    "Only a repeated field takes a list in brackets.",
    'layer { name: "p" type: "Pooling" bottom: "data" top: "p"\n  pooling_param { kernel_size: [3, 3] } }',
    "Write a single value, here `kernel_size: 3`; or, for two sizes, `kernel_h: 3 kernel_w: 3`.",
)
EXTENSION = Code(
    "SCH010",
    "field that BVLC Caffe does not have",
    "netc reads this field, but it comes from a fork of Caffe: BVLC Caffe refuses the file. This is a warning.",
    'layer { name: "p" type: "Pooling" bottom: "data" top: "p"\n'
    "  pooling_param { kernel_size: 2 stride: 2 ceil_mode: false } }",
    "Write the field that the message names, if the file shall be read by BVLC Caffe too.",
)
IGNORED = Code(
    "SCH011",
    "field that changes nothing here",
    "Forks of Caffe have fields about how they compute: in half precision, with which library, in how many threads. "
    "netc computes on the CPU in single precision, and nothing depends on them. This is a warning, given once a file.",
    'default_forward_type: FLOAT16\nlayer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }',
    "Take the fields out, or leave them for the fork.",
)
MIXED_LAYERS = Code(
    "SCH020",
    "`layer` and `layers` in one net",
    "`layers` is the form of 2014, `layer` is today's. A mixture loses the order of the layers, so Caffe refuses it.",
    'layer { name: "data" type: "Input" top: "data" }\nlayers { name: "relu" type: RELU bottom: "data" top: "data" }',
    'Write every layer as `layer { type: "ReLU" }`, with the type in quotes.',
)
BAD_UPGRADE = Code(
    "SCH021",
    "old form that has no equivalent today",
    "The file is in an old form of Caffe, and this part of it means nothing for the layer type it stands in.",
    'layers { layer { name: "relu" type: "relu" num_output: 10 } bottom: "data" top: "data" }',
    "Take the field out, or write the layer in today's form.",
)
BAD_INPUT = Code(
    "SCH022",
    "inputs without a matching shape",
    "Each `input` needs four `input_dim` or one `input_shape`.",
    'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 227',
    "Give four `input_dim` for each input, or better a layer of type Input:\n"
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 227, 227] } } }',
)
SOLVER_TYPE_TWICE = Code(
    "SCH023",
    "both `type` and `solver_type`",
    "`solver_type` is the old form of `type`; with both, it is not clear which rule is meant.",
    'base_lr: 0.1\ntype: "Adam"\nsolver_type: SGD',
    'Keep `type: "Adam"`.',
)
OLD_TRANSFORM = Code(
    "SCH026",
    "old transformation field in a layer of today's form",
    "scale, mean_file, crop_size and mirror stood in the data layers' own messages before `transform_param` existed. "
    "Caffe moves them there in layers of the old form (`layers`); in a `layer` it reads and forgets them. netc does "
    "the same, and says so.",
    'layer { name: "data" type: "Data" top: "data" data_param { source: "train_lmdb" batch_size: 64 scale: 0.0039 } }',
    "Write `transform_param { scale: 0.0039 }` beside `data_param`.",
)
NOT_A_SOLVER = Code(
    "SCH025",
    "a net where a solver is expected, or the other way round",
    "Nets have layers; solvers have learning rates and point to nets. They are different files.",
    'base_lr: 0.01\nmax_iter: 1000\nlr_policy: "fixed"  # given where a net is asked for',
    "Give the command the other file; or put the solver's fields into a block `solver { }` of the net file.",
)

TRUNCATED = Code(
    "SNP001",
    "file ends too early",
    "The file says it holds more bytes than it does: it was not written or copied completely.",
    "",
    "Copy or download the file again and compare its size with the source.",
)
FOREIGN = Code(
    "SNP002",
    "not a file of this kind",
    "The bytes are not a protobuf message of the expected kind.",
    "",
    "Check that the file is a `.caffemodel`, `.solverstate` or `.binaryproto`, not a text or another format.",
)
BAD_BLOB = Code(
    "SNP003",
    "blob whose values do not fit its shape",
    "A blob must hold as many values as the product of its sizes.",
    "",
    "The file is damaged or was written by a faulty program: get it again.",
)
UNREADABLE = Code(
    "SNP004",
    "file cannot be read",
    "The path does not exist, is a directory, or may not be read.",
    "",
    "Check the path and its permissions.",
)
TOO_LARGE = Code(
    "SNP005",
    "file too large for protobuf",
    "A protobuf message holds less than 2 GiB; no reader would open a larger one.",
    "",
    "Snapshot to HDF5 instead: `snapshot_format: HDF5`.",
)
