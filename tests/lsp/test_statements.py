"""The language server on texts with statements: names, imports, unsaved files, every place of completion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netc.lsp.server import make_server
from tests.lsp.client import Client
from tests.nets.views import NETS
from tests.work import Calls

MOST_CALLS = 1_000_000  # twice what ResNet-50 takes

BLOCKS = """# Convolutions.

let weights = [{ lr_mult: 1 }, { lr_mult: 2 }]
# One of them,
# with a ReLU.
def conv(x; n, size = 3) -> y { y = Convolution(x) { num_output: n kernel_size: size } y = ReLU(y) }
"""
NET = """# caf\u00e9 \U0001f600
import "blocks.net"
let width = 4
let title = "\U0001f600"
def block(x; n = width, w = { type: "msra" }) -> y {
  a as "\U0001f600/${title}" = Convolution(x) { num_output: n * 2 kernel_size: 3 weight_filler: w }
  y = ReLU(a)
}
data = Input() { shape { dim: [1, 3, 18, 18] } }
h = block(data)
for i in 1..2 { h = block(h) { n: width + i } }
if width > 3 { h = Pooling(h) { kernel_size: 2 } }
layer { name: "plain" type: "TanH" bottom: "data" top: "late" }
late2 = conv(late) { n: 2 }
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as running:
        yield running


class Editor:
    """One text that is open in an editor, whether it is saved or not."""

    def __init__(self, client: Client, uri: str, text: str) -> None:
        self.client, self.uri, self.text = client, uri, text
        client.notes.clear()
        item = {"uri": uri, "languageId": "netc", "version": 1, "text": text}
        client.tell("textDocument/didOpen", {"textDocument": item})
        self.diagnostics = client.diagnostics()

    def ask(self, method: str, word: str, nth: int = 0, **more: Any) -> Any:
        offset = -1
        for _ in range(nth + 1):
            offset = self.text.index(word, offset + 1)
        params = {"textDocument": {"uri": self.uri}, "position": position(self.text, offset), **more}
        return self.client.ask(f"textDocument/{method}", params)

    def hover(self, word: str, nth: int = 0) -> str:
        found = self.ask("hover", word, nth)
        return str(found["contents"]["value"]) if found else ""

    def definition(self, word: str, nth: int = 0) -> tuple[str, int] | None:
        found = self.ask("definition", word, nth)
        return (found["uri"].split("/")[-1], found["range"]["start"]["line"]) if found else None

    def renamed(self, word: str, new: str, nth: int = 0) -> str | None:
        found = self.ask("rename", word, nth, newName=new)
        return None if found is None else apply(self.text, found["changes"][self.uri])


def position(text: str, offset: int) -> dict[str, int]:
    before = text[:offset].split("\n")
    return {"line": len(before) - 1, "character": len(before[-1].encode("utf-16-le")) // 2}


def apply(text: str, edits: list[dict[str, Any]]) -> str:
    lines = [line.encode("utf-16-le") for line in text.split("\n")]
    for edit in sorted(edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]))[::-1]:
        start, end = edit["range"]["start"], edit["range"]["end"]
        line = lines[start["line"]]
        middle = edit["newText"].encode("utf-16-le")
        lines[start["line"]] = line[: 2 * start["character"]] + middle + line[2 * end["character"] :]
    return "\n".join(line.decode("utf-16-le") for line in lines)


@pytest.fixture
def unsaved(client: Client, tmp_path: Path) -> Editor:
    (tmp_path / "blocks.net").write_text(BLOCKS)
    return Editor(client, (tmp_path / "new.net").as_uri(), NET)


def test_a_new_file_sees_the_files_beside_it(unsaved: Editor) -> None:
    assert unsaved.diagnostics == []


def test_hover_on_names(unsaved: Editor) -> None:
    assert unsaved.hover("width") == "```netc\nlet width = 4\n```"
    assert unsaved.hover("width", 2) == unsaved.hover("width")
    assert "def block(x; n = width," in unsaved.hover("block(h")
    assert unsaved.hover("conv(") == (
        "```netc\ndef conv(x; n, size = 3) -> y\n```\n\nOne of them,\nwith a ReLU.\n\n*in blocks.net*"
    )
    assert "**h/y** (TEST)\n- shape 1x8x16x16" in unsaved.hover("h = block(data)")
    assert "**h/y**" in unsaved.hover("h) { n")
    assert "- shape 1x2x16x16" in unsaved.hover("late2")
    assert "- made by TanH `plain`" in unsaved.hover("late)")
    assert unsaved.hover("n *").startswith("parameter `n` of")
    assert unsaved.hover("x)").startswith("**data**")  # the blobs that it is in each run
    assert "constant `i`" in unsaved.hover("i }")
    assert "let weights\ndef conv(x; n, size = 3) -> y" in unsaved.hover("blocks.net")
    assert "Convolutions." in unsaved.hover("blocks.net")
    assert unsaved.hover("num_output").startswith("`num_output")
    assert unsaved.hover("# caf") == ""


def test_definitions(unsaved: Editor) -> None:
    assert unsaved.definition("width", 3) == ("new.net", 2)
    assert unsaved.definition("n *") == ("new.net", 4)
    assert unsaved.definition("title}") == ("new.net", 3)
    assert unsaved.definition("conv(") == ("blocks.net", 5)
    assert unsaved.definition("blocks.net") == ("blocks.net", 0)
    assert unsaved.definition("late)") == ("new.net", 12)
    assert unsaved.definition("msra") is None


def test_rename_reaches_expressions_strings_and_calls(unsaved: Editor) -> None:
    def changed(old: str, new: str, *pairs: tuple[str, str]) -> None:
        text = NET
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after)
        assert unsaved.renamed(old, new) == text

    changed("width", "breadth", ("width", "breadth"))
    changed("title", "head", ("title", "head"))
    changed("n = width", "count", ("; n = ", "; count = "), (" n * 2", " count * 2"), ("{ n: width", "{ count: width"))
    changed("w = {", "filler", (", w = ", ", filler = "), ("weight_filler: w ", "weight_filler: filler "))
    changed("block(x", "unit", ("block(", "unit("))
    changed("data =", "images", ("data = ", "images = "), ("(data)", "(images)"), ('"data"', '"images"'))
    changed("i in", "turn", ("for i in", "for turn in"), ("+ i }", "+ turn }"))


@pytest.mark.parametrize(
    ("word", "new"),
    [("width", "title"), ("width", "for"), ("width", "1a"), ("msra", "xavier"), ("conv(", "unit"), ("data =", "late")],
)
def test_no_rename_that_would_break_the_file(unsaved: Editor, word: str, new: str) -> None:
    assert unsaved.renamed(word, new) is None


@pytest.mark.parametrize(
    ("typed", "some", "none"),
    [
        ('import "', {"blocks.net"}, {"name", "new.net"}),
        ("z = ", {"Convolution", "block", "conv", "let"}, set()),
        ("z = Convolution(", {"data", "h"}, {"num_output", "h/y"}),
        ("z = Convolution(h) { ", {"num_output", "param"}, {"n"}),
        ("z = Convolution(h) { num_output: ", {"width"}, {"kernel_size"}),
        ("z = Convolution(h) { num_output: 2 * ", {"width"}, {"kernel_size"}),
        ("z = Convolution(h) { num_output: 2 ", {"kernel_size"}, {"width"}),
        ("z = conv(h) { ", {"n", "size"}, set()),
        ("z = Pooling(h) { pool: ", {"MAX", "AVE"}, {"kernel_size"}),
        ('layer { type: "', {"Convolution"}, {"block"}),
        ('layer { bottom: "', {"data", "late", "block1/y"}, set()),
        ("layer { ", {"name", "bottom", "convolution_param"}, {"num_output"}),
        ("layer { include { phase: ", {"TRAIN", "TEST"}, set()),
        ('z = Convolution(h) { weight_filler { type: "', {"xavier", "msra"}, set()),
        ('solver { lr_policy: "', {"step", "poly"}, set()),
        ('solver { type: "', {"Adam", "SGD"}, set()),
        ("train { ", {"Convolution", "conv"}, set()),
        ("# z = ", set(), {"Convolution"}),
    ],
)
def test_completion_in_every_position(
    client: Client, tmp_path: Path, typed: str, some: set[str], none: set[str]
) -> None:
    (tmp_path / "blocks.net").write_text(BLOCKS)
    editor = Editor(client, (tmp_path / "new.net").as_uri(), NET)
    text = NET + typed
    params = {"textDocument": {"uri": editor.uri, "version": 2}, "contentChanges": [{"text": text}]}
    client.tell("textDocument/didChange", params)
    where = {"textDocument": {"uri": editor.uri}, "position": position(text, len(text))}
    labels = {item["label"] for item in client.ask("textDocument/completion", where)["items"]}
    assert some <= labels
    assert not none & labels


@pytest.mark.parametrize("change", ["crlf", "bom"])
def test_other_ends_of_line_and_a_byte_order_mark(client: Client, tmp_path: Path, change: str) -> None:
    (tmp_path / "blocks.net").write_text(BLOCKS)
    text = NET.replace("\n", "\r\n") if change == "crlf" else "\ufeff" + NET
    editor = Editor(client, (tmp_path / "new.net").as_uri(), text.replace("kernel_size: 3", "kernel_sise: 3"))
    (found, *_) = editor.diagnostics
    line = editor.text.split("\n")[5]
    begin = len(line[: line.index("kernel_sise")].encode("utf-16-le")) // 2
    assert found["range"] == {"start": {"line": 5, "character": begin}, "end": {"line": 5, "character": begin + 11}}
    assert editor.hover("num_output").startswith("`num_output")


def test_a_text_that_was_never_saved(client: Client) -> None:
    editor = Editor(client, "untitled:Untitled-1", "x = Input() { shape { dim: [1, 3] } }\ny = ReLU(x)\n")
    assert editor.diagnostics == []
    assert "shape 1x3" in editor.hover("x)")


def test_a_file_of_composites_is_no_empty_net(client: Client, tmp_path: Path) -> None:
    assert Editor(client, (tmp_path / "blocks.net").as_uri(), BLOCKS).diagnostics == []
    assert Editor(client, (tmp_path / "empty.net").as_uri(), "# nothing\n").diagnostics[0]["code"] == "GRA010"


def test_notes_lead_to_their_places(client: Client, tmp_path: Path) -> None:
    text = 'x = Input() { shape { dim: [1, 3] } }\nlayer { name: "a" type: "ReLU" bottom: "x" top: "x" name: "b" }\n'
    (found,) = Editor(client, (tmp_path / "a.net").as_uri(), text).diagnostics
    (note,) = found["relatedInformation"]
    assert (note["message"], note["location"]["range"]["start"]) == ("first given here", {"line": 1, "character": 14})


def test_an_edit_of_resnet50_is_analysed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The diagnostics, and whatever is asked about the text after it, look at it once, with so many calls."""
    path = NETS / "resnet50.net"
    server, texts = make_server(), dict[str, str]()
    workspace = SimpleNamespace(get_text_document=lambda uri: SimpleNamespace(source=texts[uri]))
    monkeypatch.setattr(type(server), "workspace", workspace)
    for version in range(3):
        texts[path.as_uri()] = path.read_text() + "\n" * version
        with Calls() as calls:
            found = server.look(path.as_uri())
        assert (found.diagnostics, calls.count < MOST_CALLS) == ((), True)
        with Calls() as calls:
            assert server.look(path.as_uri()) is found
        assert calls.count < 100
