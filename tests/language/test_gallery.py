"""Two published nets, rewritten with composites, expand to exactly the originals: every field, name and connection.

The digests are of the originals (KaimingHe/deep-residual-networks ResNet-152-deploy.prototxt, 6,775 lines; BVLC/caffe
bvlc_googlenet/train_val.prototxt, 2,433 lines), with the fields of a message sorted by name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from netc.language import Block, ListValue, Scalar, expand, parse, read_text
from netc.language.format import format_text
from netc.language.vocabulary import AnyLayer

GALLERY = Path(__file__).parent / "fixtures" / "gallery"
MESSAGES = {
    "Convolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Pooling": "pooling_param",
    "BatchNorm": "batch_norm_param",
    "Scale": "scale_param",
    "LRN": "lrn_param",
    "Dropout": "dropout_param",
    "Accuracy": "accuracy_param",
    "Data": "data_param",
}


class PublishedLayers(AnyLayer):
    """The types of these nets."""

    def message_field(self, type_name: str) -> str | None:
        return MESSAGES.get(type_name)

    def is_layer_field(self, name: str) -> bool:
        return name in ("name", "param", "loss_weight", "include", "transform_param", "data_param")

    def in_place(self, type_name: str) -> bool:
        return type_name in ("ReLU", "BatchNorm", "Scale", "Dropout")


def sorted_fields(block: Block) -> tuple[tuple[str, Any], ...]:
    """Names and values without spans, lists written out."""
    made: list[tuple[str, Any]] = []
    for field in block.fields:
        for value in field.value.items if isinstance(field.value, ListValue) else (field.value,):
            if isinstance(value, Scalar):
                made.append((field.name, float(value.text) if value.kind == "number" else value.text))
            else:
                assert isinstance(value, Block)
                made.append((field.name, sorted_fields(value)))
    return tuple(sorted(made, key=lambda pair: pair[0]))


@pytest.mark.parametrize(
    ("name", "lines", "digest"),
    [
        ("resnet152", 60, "35fe4e56687240307d1971fa93b19278973358ffa7d17ff75a4aa5c72dcf3237"),
        ("googlenet", 70, "2634f6f6814b20830467660799770ce23a5b1af05a279c316c9972795d2d2c09"),
    ],
)
def test_expands_to_the_original(name: str, lines: int, digest: str) -> None:
    text = read_text(GALLERY / f"{name}.net")
    assert text.count("\n") <= lines
    for source in (text, format_text(text)):
        expanded = expand(parse(source), PublishedLayers())
        assert hashlib.sha256(repr(sorted_fields(expanded.block)).encode()).hexdigest() == digest
