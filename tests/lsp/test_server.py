"""The language server as an editor meets it: a process, messages over stdio."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lsp.client import Client

URI = "file:///nets/a.prototxt"
TEXT = """name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 } }
"""
NET_URI = "file:///nets/b.net"
NET = """let width = 4
def block(x) -> y {
  a = Convolution(x) { num_output: width kernel_size: 3 }
  y = ReLU(a)
}
data = Input() { shape { dim: [1, 3, 8, 8] } }
h = block(data)
h = block(h)
p = Pooling(h) { kernel_size: 2 }
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as running:
        yield running


def opened(client: Client, text: str, uri: str = URI) -> list[dict[str, Any]]:
    client.notes.clear()
    client.tell(
        "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "netc", "version": 1, "text": text}}
    )
    return client.diagnostics()


def at(text: str, word: str, nth: int = 0, inside: int = 1) -> dict[str, int]:
    offset = -1
    for _ in range(nth + 1):
        offset = text.index(word, offset + 1)
    before = text[: offset + inside]
    return {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}


def place(text: str, word: str, nth: int = 0, inside: int = 1, uri: str = URI) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": at(text, word, nth, inside)}


def test_diagnostics_as_you_type(client: Client) -> None:
    assert opened(client, TEXT) == []
    broken = TEXT.replace("kernel_size: 3", "kernel_sise: 3")
    client.tell(
        "textDocument/didChange",
        {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": broken}]},
    )
    found = client.diagnostics()
    assert found[0]["code"] == "SCH001"
    start = at(broken, "kernel_sise", inside=0)
    assert found[0]["range"] == {"start": start, "end": {**start, "character": start["character"] + 11}}
    assert "did you mean `kernel_size`?" in found[0]["message"]


def test_hover(client: Client) -> None:
    opened(client, TEXT)
    blob = client.ask("textDocument/hover", place(TEXT, '"conv1"', 2, 2))["contents"]["value"]
    assert "shape 1x4x6x6, 144 values, 576 B" in blob
    assert "Convolution `conv1`, 112 parameters (weights 4x3x3x3, bias 4)" in blob
    pooled = client.ask("textDocument/hover", place(TEXT, '"pool1"', 1, 2))["contents"]["value"]
    assert "sees 4x4 of the input" in pooled
    field = client.ask("textDocument/hover", place(TEXT, "num_output"))["contents"]["value"]
    assert field.startswith("`num_output")
    value = client.ask("textDocument/hover", place(TEXT, "MAX"))["contents"]["value"]
    assert "`AVE`" in value
    page = client.ask("textDocument/hover", place(TEXT, "Pooling"))["contents"]["value"]
    assert page.startswith("# Pooling")


def labels(client: Client, text: str, word: str, inside: int) -> set[str]:
    opened(client, text)
    return {i["label"] for i in client.ask("textDocument/completion", place(text, word, 0, inside))["items"]}


def test_completion(client: Client) -> None:
    opened(client, TEXT)
    assert {"num_output", "kernel_size", "pad"} <= labels(client, TEXT, "num_output", 0)
    assert "convolution_param" in labels(client, TEXT, "convolution_param", 0)
    assert {"MAX", "AVE", "STOCHASTIC"} <= labels(client, TEXT, "MAX", 0)
    assert {"data", "conv1", "pool1"} <= labels(client, TEXT, 'bottom: "conv1"', 9)
    assert {"LRN", "Pooling"} <= labels(client, TEXT, 'type: "ReLU"', 7)
    unfinished = TEXT + 'layer { name: "x" type: "LRN" bottom: "pool1" lrn_param { '
    assert {"local_size", "norm_region"} <= labels(client, unfinished, "lrn_param { ", 12)


def test_definition(client: Client) -> None:
    opened(client, TEXT)
    found = client.ask("textDocument/definition", place(TEXT, 'bottom: "conv1" top: "conv1"', 0, 10))
    assert found["range"]["start"] == at(TEXT, 'top: "conv1"', 0, 5)
    pool = client.ask("textDocument/definition", place(TEXT, 'bottom: "conv1" top: "pool1"', 0, 10))
    assert pool["range"]["start"]["line"] == 6


def test_rename(client: Client) -> None:
    opened(client, TEXT)
    edit = client.ask("textDocument/rename", {**place(TEXT, 'bottom: "conv1"', 0, 10), "newName": "features"})
    changed = apply(TEXT, edit["changes"][URI])
    expected = TEXT.replace('bottom: "conv1"', 'bottom: "features"').replace('top: "conv1"', 'top: "features"')
    assert changed == expected
    assert client.ask("textDocument/rename", {**place(TEXT, 'bottom: "conv1"', 0, 10), "newName": 'a"b'}) is None


def apply(text: str, edits: list[dict[str, Any]]) -> str:
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]))[::-1]:
        start, end = edit["range"]["start"], edit["range"]["end"]
        line = lines[start["line"]]
        lines[start["line"]] = line[: start["character"]] + edit["newText"] + line[end["character"] :]
    return "\n".join(lines)


def test_outline_and_formatting(client: Client) -> None:
    opened(client, TEXT)
    outline = client.ask("textDocument/documentSymbol", {"textDocument": {"uri": URI}})
    assert [(s["name"], s.get("detail")) for s in outline] == [
        ("data", "Input"),
        ("conv1", "Convolution"),
        ("relu1", "ReLU"),
        ("pool1", "Pooling"),
    ]
    options = {"tabSize": 2, "insertSpaces": True}
    (edit,) = client.ask("textDocument/formatting", {"textDocument": {"uri": URI}, "options": options})
    assert edit["newText"].startswith('name: "small"\n')


def test_statements(client: Client) -> None:
    assert opened(client, NET, NET_URI) == []
    blob = client.ask("textDocument/hover", place(NET, "a = Conv", 0, 0, NET_URI))["contents"]["value"]
    assert "**block1/a**" in blob
    assert "**h/a**" in blob
    assert "shape 1x4x6x6" in blob
    assert "shape 1x4x4x4" in blob
    assert labels_net(client, "num_output", 0) >= {"num_output", "kernel_size", "loss_weight"}
    made = client.ask("textDocument/definition", place(NET, "width kernel", 0, 1, NET_URI))
    assert made["range"]["start"] == {"line": 0, "character": 4}
    edit = client.ask("textDocument/rename", {**place(NET, "a = Conv", 0, 0, NET_URI), "newName": "inner"})
    assert apply(NET, edit["changes"][NET_URI]) == NET.replace("  a = Conv", "  inner = Conv").replace("(a)", "(inner)")
    outline = client.ask("textDocument/documentSymbol", {"textDocument": {"uri": NET_URI}})
    assert [s["name"] for s in outline] == ["width", "block", "data", "h", "h", "p"]
    assert [c["name"] for c in outline[1]["children"]] == ["a", "y"]


def labels_net(client: Client, word: str, inside: int) -> set[str]:
    return {i["label"] for i in client.ask("textDocument/completion", place(NET, word, 0, inside, NET_URI))["items"]}


def test_an_error_inside_a_composite_stands_at_its_place_in_this_file(client: Client) -> None:
    text = NET.replace("kernel_size: 3", "kernel_size: 30")
    found = opened(client, text, NET_URI)
    assert {d["code"] for d in found} == {"LAY005"}
    assert found[0]["range"]["start"]["line"] == 2


def test_characters_outside_the_basic_plane(client: Client) -> None:
    text = '# \U0001f600\nname: "\U0001f600" layerr { }\n'
    (found,) = opened(client, text)[:1]
    assert found["range"]["start"] == {"line": 1, "character": 11}
