"""The net inside a weight file: a `.caffemodel` says how its layers are built and joined, besides their parameters."""

from __future__ import annotations

from collections.abc import Mapping

from netc.errors import Report
from netc.schema.record import Record, Schema
from netc.schema.scan import BYTES, VARINT, encode_bytes, encode_key, encode_varint, scan
from netc.schema.upgrade import upgrade_net
from netc.schema.weights import Reading
from netc.schema.wire import decode

# What to leave out of a message, by field number: None the field, a table what is inside it.
_Cut = Mapping[int, "_Cut | None"]
_BLOBS: _Cut = {100: {7: None}, 2: {6: None, 1: {50: None}}}


def parse_model(data: bytes, schema: Schema, report: Report, path: str = "<bytes>") -> Record:
    """The NetParameter in the bytes of a `.caffemodel`, in today's form and without parameters; it has no spans.

    path: the name that diagnostics show. Raises NetError (SNP001 to SNP004) for the file; old forms without equivalent
    are reported (SCH02x).
    """
    with Reading(path, data, "a weight file (.caffemodel)"):
        record = decode(_without(data, 0, len(data), _BLOBS), schema.message("NetParameter"))
    return upgrade_net(record, report)


def _without(data: bytes, start: int, end: int, cut: _Cut) -> bytes:
    """A message without the fields of a table."""
    out = []
    for number, wire, first, last in scan(data, start, end):
        if number in cut:
            inner = cut[number]
            if inner is not None and wire == BYTES:
                out.append(encode_bytes(number, _without(data, first, last, inner)))
        elif wire == VARINT:
            out.append(encode_key(number, wire) + encode_varint(first))
        elif wire == BYTES:
            out.append(encode_bytes(number, data[first:last]))
        else:
            out.append(encode_key(number, wire) + data[first:last])
    return b"".join(out)
