"""What the fields of a `transform_param` say without the data: what contradicts what, what a source does not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netc.data import augment
from netc.data.codes import BAD_TRANSFORM, UNREAD_TRANSFORM
from netc.data.sizing import sizing
from netc.data.spoil import spoiling
from netc.errors import Code, Diagnostic, NetError
from netc.layer import Phase, Shape
from netc.schema.record import Record

_COLOURS = frozenset(("force_color", "force_gray"))
WINDOWS = frozenset(("scale", "mirror", "crop_size", "mean_file", "mean_value"))
"""What sources read that cut windows out of images themselves."""
PIXELS = WINDOWS | {"crop_h", "crop_w", "resize_param", "noise_param", *augment.Augmentation.__dataclass_fields__}
"""What sources read whose images are pixels, or are decoded as a field of their own says."""
DECODED = PIXELS | _COLOURS
"""What sources read that decode images as the file has them."""
BOXES = DECODED | {"emit_constraint", "distort_param", "expand_param"}
"""What sources of images with boxes read."""


def problems(record: Record, phase: Phase) -> list[Diagnostic]:
    """All that is wrong with the transform_param of a layer (DAT006), whatever its data, which need not be there."""
    found: list[Diagnostic] = []
    channels, size = _known(record)
    looks: tuple[Callable[[], object], ...] = (
        lambda: check_fields(record),
        lambda: sizing(record, channels),
        lambda: spoiling(record, channels),
        lambda: augment.plan(record) if phase == "TRAIN" else None,
        lambda: check_means(record, channels) if channels else None,
        lambda: check_crop(record, size, phase) if size else None,
    )
    for look in looks:
        try:
            look()
        except NetError as error:
            found += [d for d in error.diagnostics if d not in found]
    return found


def unread(record: Record, reads: frozenset[str]) -> Iterator[Diagnostic]:
    """Warnings (DAT019) about the fields that a source does not read. reads: those that it does."""
    p = record.transform_param
    for name, value in p.values.items():
        if name not in reads and value != p.message_type.fields[name].default and not _agrees(record, name):
            message, help = f"does not read `{name}`: it changes nothing", _instead(record, name, reads)
            span = p.span_of(name)
            yield Diagnostic.of_layer(record, UNREAD_TRANSFORM, message, span, (), help, "warning", name)


def check_fields(record: Record) -> None:
    """Raise NetError(DAT006) for fields that cannot stand beside each other."""
    p = record.transform_param
    if p.has("mean_file") and p.mean_value:
        raise refuse(record, BAD_TRANSFORM, "has both mean_file and mean_value; only one of them can be", "mean_value")
    if p.force_color and p.force_gray:
        raise refuse(record, BAD_TRANSFORM, "force_color and force_gray cannot both be true", "force_gray")
    if bool(p.crop_h) != bool(p.crop_w):
        raise refuse(record, BAD_TRANSFORM, "crop_h and crop_w go together", "crop_h" if p.crop_h else "crop_w")


def check_means(record: Record, channels: int) -> None:
    """Raise NetError(DAT006) if there are neither one mean value nor one for each channel."""
    count = len(record.transform_param.mean_value)
    if count not in (0, 1, channels):
        said = f"has {count} mean values for images of {channels} channel{'s' * (channels != 1)}"
        raise refuse(record, BAD_TRANSFORM, said, "mean_value")


def check_crop(record: Record, size: Shape, phase: Phase) -> None:
    """Raise NetError(DAT006) if the crop is larger than images of this height and width, before they are resized."""
    p = record.transform_param
    resize, augmented = sizing(record), augment.plan(record) if phase == "TRAIN" else None
    height, width = size if resize is None else resize.size(size[0], size[1])
    crop = crop_of(record)
    if (crop[0] > height or crop[1] > width) and not (augmented and augmented.resizes):
        said = f"{crop_text(crop)} is larger than the images, {height} x {width}"
        raise refuse(record, BAD_TRANSFORM, said, "crop_size" if p.crop_size else "crop_h")


def crop_of(record: Record) -> tuple[int, int]:
    """Height and width of the crop, or zeros."""
    p = record.transform_param
    height, width = (p.crop_size, p.crop_size) if p.crop_size else (p.crop_h, p.crop_w)
    return (int(height), int(width)) if height and width else (0, 0)


def crop_text(crop: Shape) -> str:
    """A crop as its fields are written."""
    height, width = crop
    return f"crop_size: {height}" if height == width else f"crop_h: {height} crop_w: {width}"


def refuse(record: Record, code: Code, message: str, field: str) -> NetError:
    """What to raise about a field of the transform_param."""
    span = record.transform_param.span_of(field)
    return NetError(Diagnostic.of_layer(record, code, message, span, field=field))


# ---------------------------------------------------------------- what the layer's own fields say


def _own(record: Record) -> Any:
    """The layer's own message, if that says how images are read."""
    messages = (value for value in record.values.values() if isinstance(value, Record))
    return next((message for message in messages if "is_color" in message.message_type.fields), None)


def _agrees(record: Record, name: str) -> bool:
    """Whether a field says of the colour what the layer's own fields say."""
    own = _own(record)
    return name in _COLOURS and own is not None and bool(own.is_color) == (name == "force_color")


def _known(record: Record) -> tuple[int, tuple[int, int] | None]:
    """Channels of the images (0: not known), and their height and width if they are resized to those."""
    own = _own(record)
    if own is None:
        return 0, None
    size = (int(own.new_height), int(own.new_width))
    return (3 if own.is_color else 1), (size if all(size) else None)


def _instead(record: Record, name: str, reads: frozenset[str]) -> str:
    """What to write instead of a field that is not read."""
    own = next((n for n, v in record.values.items() if v is _own(record)), None)
    if name in _COLOURS and own is not None:
        wanted = "true" if name == "force_color" else "false"
        return f"say it in the layer's own fields: `{own} {{ is_color: {wanted} }}`"
    if name in BOXES - DECODED:
        return "only AnnotatedData reads it; take it out, or use that layer"
    return f"take it out; the layer reads {', '.join(sorted(reads & WINDOWS)) or 'none of these fields'}"
