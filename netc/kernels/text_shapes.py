"""The forms of text: which tops each has, of which shapes, along which axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextForm:
    """One form of text.

    tops: what they hold, in order. axes: of each top, the sizes: "steps", "source_steps", "batch", "window" (twice as
    many as the field says). samples: the axis that counts samples. records: the axis that a batch goes on along.
    columns: of a line of the file.
    """

    tops: tuple[str, ...]
    axes: tuple[tuple[str, ...], ...]
    samples: int = 0
    records: int = 0
    columns: int = 1

    @property
    def steps(self) -> tuple[str, ...]:
        """The fields of steps that the form needs."""
        return tuple(name for name in ("steps", "source_steps") if any(name in axes for axes in self.axes))

    def shapes(self, p: Any) -> tuple[Shape, ...]:
        """The shapes of all tops, from the fields of the layer."""
        sizes = {
            "batch": int(p.batch_size),
            "steps": int(p.steps),
            "source_steps": int(p.source_steps or p.steps),
            "window": 2 * int(p.window),
        }
        return tuple(tuple(sizes[axis] for axis in axes) for axes in self.axes)


_STEPS, _SOURCE = ("steps", "batch"), ("source_steps", "batch")

FORMS: Mapping[str, TextForm] = {
    "LM": TextForm(("tokens", "cont", "next tokens"), (_STEPS,) * 3, samples=1),
    "PAIRS": TextForm(
        ("source", "mask", "decoder's input", "target", "cont"), (_SOURCE, _SOURCE, *(_STEPS,) * 3), 1, 1, columns=2
    ),
    "TAGS": TextForm(("words", "mask", "tags"), (_STEPS,) * 3, 1, 1, columns=2),
    "LABELS": TextForm(("tokens", "label"), (("batch", "steps"), ("batch",)), columns=2),
    "SKIPGRAM": TextForm(("word", "neighbour"), (("batch",),) * 2),
    "CBOW": TextForm(("neighbours", "word"), (("batch", "window"), ("batch",))),
    "COOCCURRENCE": TextForm(("word", "neighbour", "count"), (("batch",),) * 3),
}
"""By the name that the field `form` gives."""


def samples(record: Any) -> int:
    """The axis of a Text layer's tops that counts samples."""
    return FORMS[record.text_param.form].samples
