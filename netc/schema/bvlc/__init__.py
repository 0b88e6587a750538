"""Every message of Caffe, declared once.

Facts (names, wire tags, types, defaults) are those of `src/caffe/proto/caffe.proto` of BVLC Caffe, commit 9b89154;
fields with another origin say so.
"""

from __future__ import annotations

from netc.schema.bvlc import (
    blob,
    data,
    generate,
    layer,
    legacy,
    loss,
    net,
    pointwise,
    search,
    shaping,
    solver,
    ssd,
    weighted,
)
from netc.schema.declare import Enum, Message

ENUMS: tuple[Enum, ...] = net.ENUMS
MESSAGES: tuple[Message, ...] = (
    *blob.MESSAGES,
    *net.MESSAGES,
    *generate.MESSAGES,
    *search.MESSAGES,
    *solver.MESSAGES,
    *layer.MESSAGES,
    *data.MESSAGES,
    *ssd.MESSAGES,
    *loss.MESSAGES,
    *weighted.MESSAGES,
    *pointwise.MESSAGES,
    *shaping.MESSAGES,
    *legacy.MESSAGES,
)
