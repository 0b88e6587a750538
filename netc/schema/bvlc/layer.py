"""The layer: its connections, and one message of fields for each layer type."""

from __future__ import annotations

from netc.schema.declare import Field, Message, optional, repeated

COMMON = (
    optional("name", 1, "string", doc="Name of the layer."),
    optional("type", 2, "string", doc="Layer type, for example Convolution."),
    repeated("bottom", 3, "string", "Blobs the layer reads."),
    repeated("top", 4, "string", "Blobs the layer writes."),
    optional("phase", 10, "Phase", doc="Phase the layer computes in; the net's own phase if unset."),
    repeated("loss_weight", 5, "float", "Weight of each top in the objective."),
    repeated("param", 6, "ParamSpec", "Learning rate, decay and sharing of each parameter."),
    repeated("blobs", 7, "BlobProto", "The parameters' values."),
    repeated("propagate_down", 11, "bool", "For each bottom, whether its gradient is computed."),
    repeated("include", 8, "NetStateRule", "The layer is in when any of these rules holds."),
    repeated("exclude", 9, "NetStateRule", "The layer is out when any of these rules holds."),
)

# name of the field, wire tag, message
PARAMETERS = (
    ("transform_param", 100, "TransformationParameter"),
    ("loss_param", 101, "LossParameter"),
    ("accuracy_param", 102, "AccuracyParameter"),
    ("argmax_param", 103, "ArgMaxParameter"),
    ("batch_norm_param", 139, "BatchNormParameter"),
    ("bias_param", 141, "BiasParameter"),
    ("clip_param", 148, "ClipParameter"),
    ("concat_param", 104, "ConcatParameter"),
    ("contrastive_loss_param", 105, "ContrastiveLossParameter"),
    ("convolution_param", 106, "ConvolutionParameter"),
    ("crop_param", 144, "CropParameter"),
    ("data_param", 107, "DataParameter"),
    ("dropout_param", 108, "DropoutParameter"),
    ("dummy_data_param", 109, "DummyDataParameter"),
    ("eltwise_param", 110, "EltwiseParameter"),
    ("elu_param", 140, "ELUParameter"),
    ("embed_param", 137, "EmbedParameter"),
    ("exp_param", 111, "ExpParameter"),
    ("flatten_param", 135, "FlattenParameter"),
    ("hdf5_data_param", 112, "HDF5DataParameter"),
    ("hdf5_output_param", 113, "HDF5OutputParameter"),
    ("hinge_loss_param", 114, "HingeLossParameter"),
    ("image_data_param", 115, "ImageDataParameter"),
    ("infogain_loss_param", 116, "InfogainLossParameter"),
    ("inner_product_param", 117, "InnerProductParameter"),
    ("input_param", 143, "InputParameter"),
    ("log_param", 134, "LogParameter"),
    ("lrn_param", 118, "LRNParameter"),
    ("memory_data_param", 119, "MemoryDataParameter"),
    ("mvn_param", 120, "MVNParameter"),
    ("parameter_param", 145, "ParameterParameter"),
    ("pooling_param", 121, "PoolingParameter"),
    ("power_param", 122, "PowerParameter"),
    ("prelu_param", 131, "PReLUParameter"),
    ("python_param", 130, "PythonParameter"),
    ("recurrent_param", 146, "RecurrentParameter"),
    ("reduction_param", 136, "ReductionParameter"),
    ("relu_param", 123, "ReLUParameter"),
    ("reshape_param", 133, "ReshapeParameter"),
    ("scale_param", 142, "ScaleParameter"),
    ("sigmoid_param", 124, "SigmoidParameter"),
    ("softmax_param", 125, "SoftmaxParameter"),
    ("spp_param", 132, "SPPParameter"),
    ("slice_param", 126, "SliceParameter"),
    ("swish_param", 147, "SwishParameter"),
    ("tanh_param", 127, "TanHParameter"),
    ("threshold_param", 128, "ThresholdParameter"),
    ("tile_param", 138, "TileParameter"),
    ("window_data_param", 129, "WindowDataParameter"),
)


def parameter(name: str, tag: int, message: str) -> Field:
    """The field of a layer that holds the fields of one layer type."""
    return optional(name, tag, message, doc=f"Fields of {message.removesuffix('Parameter')} layers.")


MESSAGES = (
    Message(
        "LayerParameter",
        COMMON + tuple(parameter(*each) for each in PARAMETERS),
        doc="A layer: what it reads, what it writes, what it computes.",
    ),
)
