"""A draft as a NetParameter and its parameters."""

from __future__ import annotations

from dataclasses import replace

from netc.convert.caffe.draft import Draft, Layer, fresh
from netc.convert.caffe.profile import Profile, message_of
from netc.schema.record import Record
from netc.schema.weights import LayerWeights, Weights


def record_of(draft: Draft, profile: Profile) -> Record:
    """The net in Caffe's present form. Names are what the profile can read, each one's own."""
    rename(draft, profile)
    layers = tuple(_layer(draft, profile, layer) for layer in draft.layers)
    return draft.schema.message("NetParameter").make(name=draft.name, layer=layers)


def weights_of(draft: Draft) -> Weights:
    """The parameters, layer by layer."""
    return Weights(draft.name, tuple(LayerWeights(la.name, la.type, la.blobs) for la in draft.layers))


def rename(draft: Draft, profile: Profile) -> None:
    """Give every blob and layer a name that the profile can read; two never have the same."""
    called = set[str]()
    for at, layer in enumerate(draft.layers):
        name = fresh(profile.name(layer.name), called)
        called.add(name)
        draft.layers[at] = replace(layer, name=name)
    taken: set[str] = set()
    known: dict[str, str] = {}
    for blob, name in draft.names.items():  # blobs in place have one name on purpose
        if name not in known:
            known[name] = fresh(profile.name(name), taken)
            taken.add(known[name])
        draft.names[blob] = known[name]


def _layer(draft: Draft, profile: Profile, layer: Layer) -> Record:
    message = draft.schema.message("LayerParameter")
    messages = {name: dict(fields) for name, fields in layer.messages.items()}
    own = message_of(layer)
    if own and layer.type in profile.adds:
        messages[own] = {**profile.adds[layer.type], **messages.get(own, {})}
    made = {}
    for name, fields in messages.items():
        kind = message.field(name).message
        if kind is not None and (fields or name == own):
            made[name] = kind.make(**fields)
    bottoms, tops = ([draft.names[b] for b in blobs] for blobs in (layer.bottoms, layer.tops))
    made = {name: value for name, value in made.items() if value.values}
    return message.make(name=layer.name, type=layer.type, bottom=bottoms, top=tops, **made)
