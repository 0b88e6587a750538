"""Which messages of a layer its type reads: the declaration against what its code asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netc.data.find import source_types
from netc.errors import NetError
from netc.layer import Example, LayerType
from netc.schema.record import Record
from tests.layers.harness import Bench, known
from tests.layers.test_generic import EXAMPLES, TYPES
from tests.run.common import planned
from tests.schema.test_readers import imported, names_in

TRANSFORM = "transform_param"


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The messages of LayerParameter that are asked for meanwhile."""
    found: set[str] = set()
    plain: Any = Record.__getattr__

    def asked(self: Record, name: str) -> Any:
        field = self.message_type.fields.get(name) if self.message_type.name == "LayerParameter" else None
        if field is not None and field.message is not None and not field.repeated:
            found.add(name)
        return plain(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(Record, "__getattr__", asked)
        yield found


@pytest.mark.parametrize(("layer_type", "example"), EXAMPLES)
def test_a_type_asks_only_for_messages_that_it_declares(
    layer_type: LayerType, example: Example, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with watched(monkeypatch) as found:
        bench = Bench.of(layer_type, example)
        if layer_type.forward is not None:
            call = bench.forward().call
            if layer_type.backward is not None:
                bench.backward(call)
    assert found <= {layer_type.param, *layer_type.also}


@pytest.mark.parametrize("layer_type", [pytest.param(t, id=t.name) for t in TYPES if t.also])
def test_a_type_asks_for_every_message_that_it_declares(layer_type: LayerType) -> None:
    """In its own file, its data source, or (an Input's transform_param) where images are prepared for it."""
    root = Path(__file__).parent.parent.parent / "netc"
    files = list(imported(root / Path(*layer_type.setup.__module__.split(".")[1:]).with_suffix(".py")))
    source = source_types().get(layer_type.name)
    if source is not None:
        files += imported(root / Path(*source.probe.__module__.split(".")[1:]).with_suffix(".py"))
    else:
        files.append(root / "api" / "preprocess.py")
    names = frozenset[str]().union(*map(names_in, files))
    assert set(layer_type.also) <= names


def test_sources_that_transform_say_so() -> None:
    root = Path(__file__).parent.parent.parent / "netc"
    for name, source in source_types().items():
        files = imported(root / Path(*source.probe.__module__.split(".")[1:]).with_suffix(".py"))
        transforms = any(path.name == "transform.py" for path in files)
        assert TRANSFORM in known().types[name].also or not transforms, name


def warnings(text: str) -> list[tuple[str, str, str]]:
    return [(d.code.id, d.severity, d.message) for d in planned(text).warnings if d.code.id == "PLN021"]


def test_another_types_message_is_warned_of() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2, 4, 4] } } }
    layer { name: "p" type: "Pooling" bottom: "x" top: "p"
      convolution_param { stride: 2 } pooling_param { kernel_size: 2 } }
    layer { name: "r" type: "Flatten" bottom: "p" top: "r" transform_param { } }
    layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } } transform_param { scale: 2 } }
    """
    messages = (
        'layer "p" (Pooling): does not read `convolution_param`; it reads `pooling_param`',
        'layer "d" (DummyData): does not read `transform_param`; it reads `dummy_data_param`',
    )
    assert warnings(text) == [("PLN021", "warning", message) for message in messages]


def test_netcs_own_types_refuse_it() -> None:
    layer = 'type: "OneHot" bottom: "a" top: "x" one_hot_param { num_classes: 2 } transform_param { mirror: true }'
    bottom = 'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 } } }'
    with pytest.raises(NetError) as caught:
        planned(f'{bottom} layer {{ name: "x" {layer} }}')
    found = [d for d in caught.value.diagnostics if d.code.id == "PLN021"]
    assert [d.severity for d in found] == ["error"]
    assert found[0].span is not None
    assert found[0].span.source.text[found[0].span.start :].startswith("transform_param")
