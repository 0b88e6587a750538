"""Text layers over small files, and their batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netc.data import open_source
from netc.data.source import OnBadRecord
from netc.schema.record import Record
from tests.layers.harness import layers_of

Array = np.ndarray
TOPS = {"LM": 3, "PAIRS": 5, "TAGS": 3, "LABELS": 2, "SKIPGRAM": 2, "CBOW": 2, "COOCCURRENCE": 3}


def layer(path: Path, fields: str, form: str = "LM", tops: int | None = None) -> Record:
    names = " ".join(f'top: "t{i}"' for i in range(tops or TOPS[form]))
    text = f'layer {{ name: "text" type: "Text" {names} text_param {{ source: "{path}" form: {form} {fields} }} }}'
    (found,) = layers_of(text)
    return found


def source(path: Path, fields: str, form: str = "LM", seed: int = 1, bad: OnBadRecord = "stop") -> Any:
    return open_source(layer(path, fields, form), "TRAIN", seed, on_bad_record=bad)


def batch(found: Any) -> list[Array]:
    """The next batch."""
    out = [np.full(shape, np.nan, np.float32) for shape in found.shapes()]
    found.next(out)
    return out


def written(folder: Path, text: str, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
