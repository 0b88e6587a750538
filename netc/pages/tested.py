"""The page of `netc test --html`: outputs, classes, what is taken for what, and the mistakes a net is surest of."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netc.api.wrong import Mistake
from netc.kernels.confusion import Classes
from netc.layer import Array
from netc.pages import html

MOST_CLASSES = 60
"""Of more classes, the matrix is not shown."""
_BODY = """
<header><h1 id="title"></h1><span class="soft" id="about"></span>
<button id="theme" title="dark or light" aria-label="dark or light">&#9680;</button></header>
<div id="now"></div>
<section id="matrix"></section><section id="classes"></section>
<section id="wrong"></section><section id="curves"></section>
"""


def result_page(
    title: str,
    about: str,
    means: Mapping[str, Any],
    classes: Classes | None,
    names: Sequence[str],
    mistakes: Sequence[Mistake],
    curves: str,
) -> bytes:
    """The bytes of the page. about: a line on what was tested. curves: the SVG of the run, or empty."""
    data: dict[str, Any] = {
        "title": title,
        "about": about,
        "means": {name: float(v.reshape(-1)[0]) for name, v in means.items() if v.size == 1},
        "names": list(names),
        "classes": _classes(classes) if classes is not None else None,
        "wrong": [mistake_data(mistake) for mistake in mistakes],
        "curves": b64encode(curves.encode()).decode(),
    }
    styles, scripts = ("base.css", "watch.css", "tested.css"), ("base.js", "classes.js", "tested.js")
    return html.page(f"{title} - netc test", _BODY, data, scripts=scripts, styles=styles)


def _classes(found: Classes) -> dict[str, Any]:
    shown = found.matrix.tolist() if len(found.matrix) <= MOST_CLASSES else None
    numbers = {"counts": found.counts.tolist(), "precision": found.precision, "recall": found.recall, "f1": found.f1}
    return {"accuracy": found.accuracy, "matrix": shown, **numbers}


def mistake_data(mistake: Mistake) -> dict[str, Any]:
    """A mistake as JSON-able data."""
    image = _image(mistake.image) if mistake.image is not None else None
    return {
        "label": mistake.label,
        "given": mistake.given,
        "sure": mistake.sure,
        "right": mistake.right,
        "image": image,
    }


def _image(values: Array) -> dict[str, Any]:
    """What the net got, stretched to 0..255, red first."""
    known = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(known.min()), float(known.max())
    pixels = np.round((known - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    shown = np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0))
    height, width, channels = shown.shape
    return {"height": height, "width": width, "channels": channels, "pixels": b64encode(shown.tobytes()).decode()}
