"""What an ONNX file says of itself besides the graph: where it is from, names of classes, how to prepare images."""

from __future__ import annotations

import json

import numpy as np

import netc
from netc.convert.model import Model, Options
from netc.convert.predicting import Predicting
from netc.convert.preprocessing import known_preprocessing
from netc.errors import NetError


def metadata_of(model: Model, it: Predicting, options: Options) -> dict[str, str]:
    """Texts by key: `source` and `weights` (names of files), `netc` (its version), `labels` (a line for each class:
    as they are given, or else as training kept them),
    `columns/BLOB` of what is found (`image,class,...`), and `preprocessing/BLOB`, as JSON, where the graph has none.
    """
    found = {"netc": netc.__version__, "source": model.path.name}
    if model.weight_files:
        found["weights"] = ", ".join(dict.fromkeys(path.name for path in model.weight_files))
    stored = (how.class_names for how in model.prepared.values() if how.class_names)
    if labels := options.labels or next(stored, ()):
        found["labels"] = "\n".join(labels)
    for value in it.outputs:
        node = it.graph.nodes[it.graph.values[value].producer]
        if node.type.role.rows and value == node.tops[0]:
            found[f"columns/{it.graph.values[value].name}"] = ",".join(node.type.role.rows)
    if not options.with_preprocessing:
        found |= _preprocessing(model, it)
    return found


def _preprocessing(model: Model, it: Predicting) -> dict[str, str]:
    try:
        known = known_preprocessing(model, it.plan, {})
    except NetError:  # a mean file that is not there: the net does not need it
        return {}
    found = {}
    for blob, how in known.items():
        mean = None if how.mean is None else np.reshape(how.mean, (len(how.mean), -1)).mean(axis=1)
        said = {
            "channels": "BGR" if how.channels == 3 else "gray",
            "resize": how.size,
            "mean": None if mean is None else [round(float(m), 6) for m in mean],
            "crop": how.crop or None,
            "scale": how.scale,
        }
        found[f"preprocessing/{blob}"] = json.dumps({key: value for key, value in said.items() if value is not None})
    return found
