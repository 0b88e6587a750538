"""Weights as HDF5, as Caffe lays them out, with the net's text beside them as /net, which Caffe does not look at."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from netc.convert.model import Format, Made, Model, Options, weights_of
from netc.convert.parameters import in_stored_types, net_text
from netc.schema.weights import Weights
from netc.solve import hdf5
from netc.solve.snapshots import read_weights


def dump(weights: Weights, net: str) -> bytes:
    """The weights, and the text of their net ("" if it is not known), as the bytes of an HDF5 file.

    Raises NetError: SNP025 if h5py is missing, SNP028 if two layers would have one place.
    """
    file = io.BytesIO()
    hdf5.write_weights(file, [layer for layer in weights.layers if layer.blobs])
    if net:
        import h5py  # noqa: PLC0415 - an extra, which the line before needed already

        with h5py.File(file, "r+") as out:
            out.create_dataset("net", data=np.frombuffer(net.encode("utf-8", "surrogateescape"), np.uint8))
    return file.getvalue()


def load(path: Path) -> tuple[Weights, str]:
    """The weights in an HDF5 file, and the text of their net if netc wrote it there. Raises as `read_weights`."""
    found = hdf5.read_array(path, "net")
    text = "" if found is None or found.dtype != np.uint8 else found.tobytes().decode("utf-8", "surrogateescape")
    return read_weights(path), text


def _write(model: Model, options: Options) -> Made:
    model = in_stored_types(model, options)
    text, notes = net_text(model)
    return Made((dump(weights_of(model), text),), notes)


FORMAT = Format((".h5", ".hdf5"), _write, frozenset({"half"}))
