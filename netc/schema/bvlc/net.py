"""The net: its layers, its state, the rules that include a layer, the parameters' learning multipliers."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional, repeated

ENUMS = (Enum("Phase", {"TRAIN": 0, "TEST": 1}, "Whether the net learns or is tested."),)

MESSAGES = (
    Message(
        "NetParameter",
        (
            optional("name", 1, "string", doc="Name of the net."),
            repeated("input", 3, "string", "Names of blobs fed from outside.", deprecated='a layer of type "Input"'),
            repeated("input_shape", 8, "BlobShape", "Shape of each input.", deprecated='a layer of type "Input"'),
            repeated("input_dim", 4, "int32", "Four sizes for each input.", deprecated='a layer of type "Input"'),
            optional("force_backward", 5, "bool", False, "Compute gradients for every layer, needed or not."),
            optional("state", 6, "NetState", doc="Phase, level and stages that choose which layers are in."),
            optional("debug_info", 7, "bool", False, "Report mean absolute values of blobs while running."),
            repeated("layer", 100, "LayerParameter", "The layers, each after the layers it reads from."),
            repeated("layers", 2, "V1LayerParameter", "Layers in the old form.", deprecated="layer"),
            optional("solver", 1000, "SolverParameter", doc="How to train this net.", origin="netc"),
            optional("generate", 1002, "GenerateParameter", doc="What the net generates.", origin="netc"),
            optional("search", 1003, "SearchParameter", doc="Which values `netc search` tries.", origin="netc"),
            repeated(
                "preprocessing", 1001, "Preprocessing", "How images became the inputs in training.", origin="netc"
            ),
        ),
        doc="A net: layers joined by named blobs.",
    ),
    Message(
        "Preprocessing",
        (
            optional("blob", 1, "string", doc="The blob that a data layer filled with images.", origin="netc"),
            optional("height", 2, "uint32", 0, "Resize images to this height; 0: to the crop's.", origin="netc"),
            optional("width", 3, "uint32", 0, "Resize images to this width; 0: to the crop's.", origin="netc"),
            optional("crop_size", 4, "uint32", 0, "Side of the square cut out of the centre; 0: none.", origin="netc"),
            optional("channels", 5, "uint32", 3, "3 (blue, green, red) or 1 (gray).", origin="netc"),
            optional("mean", 6, "bytes", doc="A BlobProto to subtract: a value a channel, or an image.", origin="netc"),
            optional("scale", 7, "float", 1.0, "Multiplies the values, 0..255, at last.", origin="netc"),
            repeated("class_name", 8, "string", "What class N of the labels is called.", origin="netc"),
        ),
        doc="What turned an image into the net's input; snapshots carry it, Caffe skips it.",
        origin="netc",
    ),
    Message(
        "NetState",
        (
            optional("phase", 1, "Phase", "TEST", "TRAIN or TEST."),
            optional("level", 2, "int32", 0, "A number that `min_level` and `max_level` rules compare with."),
            repeated("stage", 3, "string", "Names that `stage` and `not_stage` rules look for."),
        ),
        doc="The state a net is built for.",
    ),
    Message(
        "NetStateRule",
        (
            optional("phase", 1, "Phase", doc="Holds in this phase only."),
            optional("min_level", 2, "int32", doc="Holds from this level on."),
            optional("max_level", 3, "int32", doc="Holds up to this level."),
            repeated("stage", 4, "string", "Holds when the state has all of these stages."),
            repeated("not_stage", 5, "string", "Holds when the state has none of these stages."),
        ),
        doc="A condition on the net's state; all that is set must hold.",
    ),
    Message(
        "ParamSpec",
        (
            optional("name", 1, "string", doc="Parameters with the same name are shared."),
            optional("share_mode", 2, "ParamSpec.DimCheckMode", doc="How alike shapes of a shared parameter must be."),
            optional("lr_mult", 3, "float", 1.0, "Multiplies the learning rate; 0 freezes the parameter."),
            optional("decay_mult", 4, "float", 1.0, "Multiplies the weight decay."),
            optional(
                "lazy", 1000, "bool", False, "Of a table: only the rows that a batch reads are updated.", origin="netc"
            ),
        ),
        (Enum("DimCheckMode", {"STRICT": 0, "PERMISSIVE": 1}, "Same shape, or the same number of values."),),
        doc="How one parameter of a layer is learned and shared.",
    ),
)
