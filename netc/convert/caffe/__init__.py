"""A net that predicts as a prototxt and a caffemodel in Caffe's present form: for BVLC's Caffe, or for a vendor's tool.

Each layer has a name and parameters of its own, nothing is in place (unless asked for), and what only training needs is
gone. What a tool does not read is rewritten by layers with the same numbers, or refused by name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from netc.api.definition import Definition
from netc.catalogue import Catalogue
from netc.convert.caffe.accept import accept
from netc.convert.caffe.draft import Draft, draft_of
from netc.convert.caffe.fold import fold
from netc.convert.caffe.half import halved
from netc.convert.caffe.in_place import share
from netc.convert.caffe.profile import Profile, Takes
from netc.convert.caffe.profiles import PROFILES
from netc.convert.caffe.rewrites import plain
from netc.convert.caffe.runner import Reloaded
from netc.convert.caffe.written import record_of, weights_of
from netc.convert.codes import UNKNOWN_TOOL
from netc.convert.model import Checkable, Format, Made, Model, Options, definition_of
from netc.convert.parameters import in_stored_types
from netc.convert.predicting import TAKES, Predicting, build
from netc.errors import Diagnostic, NetError
from netc.schema.record import Schema
from netc.schema.text import to_text
from netc.schema.weights_write import weights_parts

__all__ = ["FORMAT", "PROFILES"]


def bvlc(types: Catalogue, schema: Schema) -> Profile:
    """BVLC's own Caffe: its layer types, and the fields of their messages that are not a fork's or netc's."""
    found = {t.name: t for t in types.types.values() if t.origin == "caffe"}
    layer = schema.message("LayerParameter")
    takes = {}
    for name, type in found.items():
        message = layer.field(type.param).message if type.param else None
        fields = message.fields.values() if message else ()
        takes[name] = Takes(frozenset(f.name for f in fields if f.declaration.origin == "caffe"))
    return Profile("Caffe", "https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto", takes)


def _write(model: Model, options: Options) -> Made:
    definition = definition_of(model)
    net, notes = build(model, replace(options, half=False))
    draft = draft_of(net, definition.schema)
    plain(draft)
    if options.fold:
        fold(draft)
    if options.profile and options.profile not in PROFILES:
        known = ", ".join(PROFILES)
        raise NetError(
            Diagnostic(UNKNOWN_TOOL, f"--for {options.profile}: no such tool is known", help=f"known: {known}")
        )
    profile = PROFILES.get(options.profile) or bvlc(definition.types, definition.schema)
    if kept := accept(draft, net.plan, profile, strict=bool(options.profile)):
        notes = (*notes, f"kept as they are, as only a fork of Caffe has them: {', '.join(kept)}")
    same = True
    if options.half:
        net, same = halved(draft, net)
    if options.in_place:
        share(draft)
    made = _made(draft, profile, net, definition, options, notes)
    return replace(made, checkable=replace(made.checkable, rounded=not same)) if made.checkable else made


def _made(
    draft: Draft, profile: Profile, net: Predicting, definition: Definition, options: Options, notes: tuple[str, ...]
) -> Made:
    record = record_of(draft, profile)
    written = Model(definition.path, replace(definition, record=record, warnings=()), weights_of(draft))
    written = in_stored_types(written, options)
    assert written.weights is not None
    text = to_text(record).encode("utf-8", "surrogateescape")
    weights = weights_parts(record.name, written.weights.layers, record)
    names = _still_there(draft, len(net.graph.values))
    inputs = {net.graph.values[v].name: draft.names[v] for v in net.graph.inputs}
    runner = partial(Reloaded, text, weights, definition.types, names, inputs)
    return Made((text,), notes, {".caffemodel": weights}, Checkable(net.net, runner))


def _still_there(draft: Draft, count: int) -> dict[int, str]:
    """The name of each of the net's values that a layer makes and none writes over."""
    made = [top for layer in draft.layers for top in layer.tops]
    last = {draft.names[blob]: blob for blob in made}
    return {blob: draft.names[blob] for blob in made if blob < count and last[draft.names[blob]] == blob}


FORMAT = Format((".caffe",), _write, TAKES | {"half", "fold", "in_place", "profile"}, file="model.prototxt")
