"""VideoData: frames of videos or of a camera.

Computes:
    Batches of frames, transformed as `transform_param` says, and, if there is a second top, of their labels.

Shapes:
    batch_size x channels x height x width, and batch_size. Channels are 3 for each of `new_length` frames (2 for
    `modality: FLOW`). Sizes come from `crop_size`, or `resize_param`, or `new_height` and `new_width`.

Gradient:
    None.

Caffe notes:
    Two forks have a layer of this name: SSD's reads a file or a camera, its batch size is in `data_param`; that of
    yjxiong/caffe (temporal segment networks) reads lists of frames.
"""

from netc.kernels.image_shape import image_shape
from netc.layer import MISSING_FIELD, NONE, SHAPE_UNKNOWN, Arity, Example, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Enum, Message, optional

SSD, SEGMENTS = "SSD (weiliu89/caffe)", "yjxiong/caffe"
NO_READER = "netc reads no videos"

PARAMETER = Message(
    "VideoDataParameter",
    (
        optional(
            "video_type",
            1001,
            "VideoDataParameter.VideoType",
            "WEBCAM",
            "WEBCAM or VIDEO.",
            origin=SSD,
            ignored=NO_READER,
        ),
        optional("device_id", 2, "int32", 0, "Number of the camera.", origin=SSD, ignored=NO_READER),
        optional("video_file", 3, "string", doc="Path of the video.", origin=SSD),
        optional("skip_frames", 1004, "uint32", 0, "Frames left out between two.", origin=SSD, ignored=NO_READER),
        optional("source", 1, "string", doc="Text file with a video in each line.", origin=SEGMENTS),
        optional("batch_size", 4, "uint32", 0, "Items in a batch.", origin=SEGMENTS),
        optional(
            "rand_skip", 7, "uint32", 0, "Skip up to this many lines at the start.", origin=SEGMENTS, ignored=NO_READER
        ),
        optional("shuffle", 8, "bool", False, "Shuffle the lines every epoch.", origin=SEGMENTS, ignored=NO_READER),
        optional("new_height", 9, "uint32", 0, "Resize frames to this height; 0: as they are.", origin=SEGMENTS),
        optional("new_width", 10, "uint32", 0, "Resize frames to this width; 0: as they are.", origin=SEGMENTS),
        optional("new_length", 11, "uint32", 1, "Frames in an item.", origin=SEGMENTS),
        optional("num_segments", 12, "uint32", 1, "Parts of a video that an item is drawn from.", origin=SEGMENTS),
        optional("modality", 13, "VideoDataParameter.Modality", "FLOW", "RGB or FLOW.", origin=SEGMENTS),
        optional("name_pattern", 14, "string", doc="Names of the frames' files.", origin=SEGMENTS, ignored=NO_READER),
        optional("encoded", 15, "bool", False, "Frames are packed into one file.", origin=SEGMENTS, ignored=NO_READER),
        optional("root_folder", 16, "string", "", "Put before every path.", origin=SEGMENTS, ignored=NO_READER),
    ),
    (
        Enum("VideoType", {"WEBCAM": 0, "VIDEO": 1}, "What frames are read from."),
        Enum("Modality", {"RGB": 0, "FLOW": 1}, "Colours, or the two components of optical flow."),
    ),
    doc="Frames of videos.",
    origin=SSD,
)


def setup(site: Site) -> Setup:
    if site.given is not None:
        return Setup(tops=site.given, reads=())
    p, top = site.p, site.record.top[0]
    batch = int(p.batch_size or site.record.data_param.batch_size)
    if not batch:
        site.refuse(MISSING_FIELD, "needs batch_size, in video_data_param or data_param", "batch_size")
    image = image_shape(site.record.transform_param, resize=(int(p.new_height), int(p.new_width)))
    if image is None:
        message = "its video is not there, and no crop_size or resize_param says how large its frames are"
        site.refuse(
            SHAPE_UNKNOWN, message, "source", "video_file", help=f"give the shape with --input {top}={batch}x3xHxW"
        )
    per_frame = 2 if p.has("source") and p.modality == "FLOW" else image[0]
    channels = per_frame * int(p.new_length) * int(p.num_segments)
    return Setup(tops=((batch, channels, *image[1:]), (batch,))[: site.top_count], reads=())


VIDEO_DATA = LayerType(
    "VideoData",
    __doc__,
    setup,
    param="video_data_param",
    also=(
        "data_param",
        "transform_param",
    ),
    own=Param(
        optional("video_data_param", 207, "VideoDataParameter", doc="Fields of the layer.", origin=SSD), (PARAMETER,)
    ),
    bottoms=NONE,
    tops=Arity(1, 2),
    source=True,
    origin=SSD,
    role=Role("source"),
    examples=(
        Example(
            "video_data_param { video_type: WEBCAM device_id: 0 } data_param { batch_size: 1 } "
            "transform_param { resize_param { height: 300 width: 300 } }",
            inputs=(),
        ),
        Example(
            'video_data_param { source: "train.txt" batch_size: 16 new_length: 5 modality: FLOW } '
            "transform_param { crop_size: 224 }",
            inputs=(),
            tops=2,
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "transform_param { crop_size: 8 }", bottoms=()),
        Refused(SHAPE_UNKNOWN, "video_data_param { batch_size: 2 }", bottoms=()),
    ),
)
