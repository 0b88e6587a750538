"""pycaffe's NetSpec: nets written in Python.

    from netc.caffe import layers as L, params as P

    n = caffe.NetSpec()
    n.data, n.label = L.Data(source="train_lmdb", backend=P.Data.LMDB, batch_size=64, ntop=2)
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu1, n.label)
    print(n.to_proto())

`L.TYPE(bottoms..., field=value...)` gives the tops of a layer of that type: one, a tuple with `ntop` of them, or the
layer itself for ntop=0. Fields are those of the type's own message, or else of the layer: dicts become messages, lists
repeated fields. What is assigned to a NetSpec gets the attribute's name; other layers are numbered by their type.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from netc.caffe.proto import caffe_pb2
from netc.catalogue import catalogue


class Top:
    """One output of a layer; `fn` is the layer, `n` which of its outputs."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> Any:
        """A NetParameter with all layers that this top needs."""
        return to_proto(self)

    def _update(self, params: Mapping[str, Any]) -> None:
        self.fn._update(params)

    def _add_to(self, net: _Layers) -> None:
        net.add(self.fn)


class Function:
    """A layer: its type, its inputs (tops of other layers), its fields. Raises TypeError for other inputs."""

    def __init__(self, type_name: str, inputs: Sequence[Top], params: Mapping[str, Any]) -> None:
        for index, given in enumerate(inputs):
            if not isinstance(given, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(given)})")
        self.type_name, self.inputs = type_name, tuple(inputs)
        self.params = dict(params)
        self.ntop: int = self.params.pop("ntop", 1)
        self.in_place: bool = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _update(self, params: Mapping[str, Any]) -> None:
        self.params.update(params)

    def _add_to(self, net: _Layers) -> None:
        net.add(self)


class _Layers:
    """The layers of a net as they are written: each after those that it reads. `names`: of tops and layers."""

    def __init__(self, names: Mapping[Any, str]) -> None:
        self.names: dict[Any, str] = dict(names)
        self.numbers: Counter[str] = Counter()
        self.made: OrderedDict[Function, Any] = OrderedDict()

    def add(self, fn: Function) -> Any:
        """The LayerParameter of a layer, made with all that it needs."""
        if fn in self.made:
            return self.made[fn]
        bottoms = [self.add(top.fn).top[top.n] for top in fn.inputs]
        layer = caffe_pb2.LayerParameter(type=fn.type_name, bottom=bottoms)
        layer.top.extend(bottoms if fn.in_place else [self._name(top, fn.type_name) for top in fn.tops])
        layer.name = self._name(fn.tops[0] if fn.tops else fn, fn.type_name)
        for name, value in fn.params.items():
            assign_proto(_holder(layer, fn.type_name, name), name, value)
        self.made[fn] = layer
        return layer

    def _name(self, of: Top | Function, type_name: str) -> str:
        if of not in self.names:
            self.numbers[type_name] += 1
            self.names[of] = f"{type_name}{self.numbers[type_name]}"
        return self.names[of]

    def net(self) -> Any:
        found = caffe_pb2.NetParameter()
        found.layer.extend(self.made.values())
        return found


def _holder(layer: Any, type_name: str, field: str) -> Any:
    """The message that a field belongs to: the type's own, or the layer."""
    own = _own_messages().get(type_name)
    if own is None or field.endswith("param"):
        return layer
    message = getattr(layer, own)
    return message if field in message.DESCRIPTOR.fields_by_name else layer


@cache
def _own_messages() -> dict[str, str]:
    """The field of LayerParameter that holds each type's own fields: `Convolution` -> `convolution_param`."""
    found: dict[str, str] = {}
    for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields:
        if field.name.endswith("_param") and field.message_type is not None:
            found.setdefault(field.message_type.name.removesuffix("Parameter"), field.name)
    known = {name: type.param for name, type in catalogue().types.items() if type.param}
    return {**known, **found}


def param_name_dict() -> dict[str, str]:
    """The layer types, and the name of their fields' message without `_param`."""
    return {type_name: field.removesuffix("_param") for type_name, field in _own_messages().items()}


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set a field of a message: from a dict for a message, from a list (or one value) for a repeated field.

    Raises AttributeError for a field that the message does not have, TypeError and ValueError for a wrong value.
    """
    if name not in proto.DESCRIPTOR.fields_by_name:
        raise AttributeError(f"{proto.DESCRIPTOR.name} has no field {name}")
    field = getattr(proto, name)
    is_message = proto.DESCRIPTOR.fields_by_name[name].message_type is not None
    if hasattr(field, "extend"):
        for item in val if isinstance(val, list | tuple) else [val]:
            if isinstance(item, Mapping):
                _assign_all(field.add(), item)
            elif is_message:
                field.add().CopyFrom(item)
            else:
                field.append(item)
    elif isinstance(val, Mapping):
        field.SetInParent()
        _assign_all(field, val)
    elif is_message:
        field.CopyFrom(val)
    else:
        setattr(proto, name, val)


def _assign_all(proto: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        assign_proto(proto, name, value)


def to_proto(*tops: Top | Function) -> Any:
    """A NetParameter with all layers that these tops need, numbered by their type."""
    layers = _Layers({})
    for top in tops:
        top._add_to(layers)
    return layers.net()


class NetSpec:
    """Tops (and layers without tops) by name, set as attributes or items; `to_proto` gives the net."""

    tops: OrderedDict[str, Any]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.tops[name]

    def __setitem__(self, key: str, value: Any) -> None:
        self.tops[key] = value

    def __getitem__(self, item: str) -> Any:
        return self.tops[item]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    def keys(self) -> list[str]:
        return list(self.tops)

    def vals(self) -> list[Any]:
        return list(self.tops.values())

    def update(self, name: str, params: Mapping[str, Any]) -> None:
        """Set fields of a layer that is there already."""
        self.tops[name]._update(params)

    def to_proto(self) -> Any:
        """A NetParameter with all layers that the tops need, in the order in which they were assigned."""
        layers = _Layers({top: name for name, top in self.tops.items()})
        for top in self.tops.values():
            top._add_to(layers)
        return layers.net()


class Layers:
    """`L.TYPE(...)` makes a layer of any type."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def layer(*inputs: Top, **fields: Any) -> Any:
            made = Function(name, inputs, fields)
            return made if made.ntop == 0 else made.tops[0] if made.ntop == 1 else made.tops

        return layer


class Parameters:
    """`P.Pooling.MAX` is a value of an enum that a type's fields take."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(caffe_pb2, f"{name}Parameter")


layers = Layers()
params = Parameters()
