"""The nets that are measured one image at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netc.layer import Shape

NETS = Path(__file__).resolve().parent.parent / "nets"
GALLERY = NETS.parent.parent.parent / "nets"


@dataclass(frozen=True, slots=True)
class Case:
    """A net as scripts run it. stages: which part of the file; shape: of the input, if not the file's."""

    name: str
    file: Path
    stages: tuple[str, ...] = ()
    shape: Shape | None = None
    judged: bool = True  # whether it counts in the means

    @property
    def known_to_onnx(self) -> bool:
        """ONNX has nothing for DetectionOutput."""
        return "boxes" not in self.stages


CASES = (
    Case("res10", NETS / "res10.net"),
    Case("MobileNet-SSD", NETS / "mobilenet_ssd.net"),
    Case("MTCNN 12", NETS / "mtcnn12.net"),
    Case("MTCNN 24", NETS / "mtcnn24.net"),
    Case("MTCNN 48", NETS / "mtcnn48.net"),
    Case("open_nsfw", NETS / "open_nsfw.net"),
    Case("SqueezeNet", NETS / "squeezenet_v1.1.prototxt", shape=(1, 3, 227, 227)),
    Case("OpenPose body", NETS / "openpose.net"),
    Case("U-Net 256", NETS / "unet256.net"),
    Case("landmarks", NETS / "landmarks.net"),
    Case("res10 with boxes", NETS / "res10.net", ("boxes",), judged=False),
    Case("MobileNet-SSD with boxes", NETS / "mobilenet_ssd.net", ("boxes",), judged=False),
    Case("ResNet-50", NETS / "resnet50.prototxt", shape=(1, 3, 224, 224), judged=False),
    Case("MobileNet-v1", GALLERY / "mobilenet_v1.net", ("deploy",), judged=False),
    Case("MobileNet-v2", GALLERY / "mobilenet_v2.net", ("deploy",), judged=False),
)
