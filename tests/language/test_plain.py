"""Protobuf text format: what is read, how it is written, and that protobuf's own reader agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.errors import NetError, Report, Source
from netc.language import Block, ListValue, Scalar, parse, write
from netc.language.parser import Parser
from netc.language.tree import Field, Value

FILES = sorted((Path(__file__).parent.parent / "golden").rglob("*.prototxt"))


def plain(value: Scalar | ListValue | Block) -> Any:
    """A tree without its spans."""
    if isinstance(value, Scalar):
        return (value.kind, value.text)
    if isinstance(value, ListValue):
        return [plain(item) for item in value.items]
    return tuple((field.name, plain(field.value)) for field in value.fields)


def spanned(value: Value) -> Any:
    """A tree of text format as plain values, each with its offsets."""
    at = (value.span.start, value.span.end)
    if isinstance(value, Scalar):
        return (value.kind, value.text, *at)
    if isinstance(value, ListValue):
        return [*map(spanned, value.items), *at]
    assert isinstance(value, Block)
    return [(f.name, f.name_span.start, f.span.start, f.span.end, spanned(f.value)) for f in value.fields], *at


def one(text: str) -> Any:
    """The value of a text's only field."""
    (field,) = parse(text).block.fields
    return plain(field.value)


def message(text: str) -> Any:
    """What protobuf itself reads, in a message with fields f (float), i (int64), s (string), b (bool), m (itself)."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto2")
    made = file.message_type.add(name="M")
    kinds = {"f": 2, "i": 3, "s": 9, "b": 8, "m": 11, "y": 12}
    for number, (name, kind) in enumerate(kinds.items(), 1):
        field = made.field.add(name=name, number=number, type=kind, label=3)  # type: ignore[arg-type]
        if kind == 11:
            field.type_name = ".t.M"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return text_format.Parse(text, message_factory.GetMessageClass(pool.FindMessageTypeByName("t.M"))())


SHAPES = """a: 1 b: -2.5e3f c: -inf d: TRUE e: "x" 'y' f: [] g: [1, -2, X] h [{ i: 1 }, <j: 2>] k []
l { m < n { o: 1; } > }
, p: { q: 0x1F, } r: < s: "t" > u: [{}, { v: 017 }];"""


@pytest.mark.parametrize("text", [SHAPES, *(path.read_text(encoding="utf-8") for path in FILES)], ids=str.__len__)
def test_text_format_is_the_same_among_statements(text: str) -> None:
    """A field has a scalar or an expression for its value: of the same text both make the same tree."""
    report = Report()
    trees = [Parser(Source("a.net", text), report, start).run().block for start in ("plain", "program")]
    assert not report.diagnostics
    assert spanned(trees[0]) == spanned(trees[1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("f: 1", ("number", "1")),
        ("f: -1.5e-3f", ("number", "-1.5e-3f")),
        ("f: - 2", ("number", "-2")),
        ("f: 1.", ("number", "1.")),
        ("f: .5", ("number", ".5")),
        ("i: 0x1F", ("number", "0x1F")),
        ("i: 017", ("number", "017")),
        ("f: inf", ("identifier", "inf")),
        ("f: -inf", ("identifier", "-inf")),
        ("b: True", ("identifier", "True")),
        ('s: "a" \'b\'\n"c"', ("string", "abc")),
        (r's: "\t\x41\101\u00e9\ud83d\ude00\"\\"', ("string", '\tAA\u00e9\U0001f600"\\')),
        (r's: "\303\251"', ("string", "\u00e9")),
        (r'y: "\377"', ("string", "\udcff")),
        ("f: [1, -2]", [("number", "1"), ("number", "-2")]),
        ("f: []", []),
        ("m: [{}, <>]", [(), ()]),
        ("m [{f: 1}]", [(("f", ("number", "1")),)]),
        ("m < f: 1; i: 2, >", (("f", ("number", "1")), ("i", ("number", "2")))),
        ("m: {f:1}", (("f", ("number", "1")),)),
    ],
)
def test_reads(text: str, value: Any) -> None:
    assert one(text) == value
    if "- 2" not in text and "\\u" not in text:
        message(text)


@pytest.mark.parametrize("text", ["", " \n", "# only a comment", "#\n", "\ufeff"])
def test_reads_nothing(text: str) -> None:
    assert parse(text).block.fields == ()


def test_spans() -> None:
    field = parse("\r\n\t# \u00e9\r\nlayer {\r\n  name:  'a'  'b' }").block.fields[0]
    assert (field.span.line, field.span.column) == (3, 1)
    assert isinstance(field.value, Block)
    inner = field.value.fields[0]
    assert str(inner.value.span) == "<string>:4:10"
    assert (inner.name_span.end - inner.name_span.start, inner.value.span.end - inner.value.span.start) == (4, 8)
    assert (inner.span.start, inner.span.end) == (inner.name_span.start, inner.value.span.end)


def test_depth_limit() -> None:
    parse("a{" * 100 + "}" * 100)
    for deep in ("a{" * 100_000, "a:[{" * 100_000, "a<" * 101 + ">" * 101):
        with pytest.raises(NetError) as raised:
            parse(deep)
        (diagnostic,) = raised.value.diagnostics
        assert diagnostic.code.id == "SYN011"
        assert diagnostic.span is not None
        assert diagnostic.span.column > 200


def test_writes_canonically() -> None:
    text = "layer < name: 'a\"b\\n' ; bottom: ['x','y']>\nlayer{}\nm: [{f: 1}, {}]"
    written = write(parse(text).block)
    assert written == (
        'layer {\n  name: "a\\"b\\n"\n  bottom: ["x", "y"]\n}\nlayer {}\nm: [\n  {\n    f: 1\n  },\n  {}\n]\n'
    )
    assert write(parse(written).block) == written


def test_writes_without_lists() -> None:
    text = "m { f: [1, 2] f: [] m [{ f: [3] }, {}] }"
    assert write(parse(text).block, lists=False) == "m {\n  f: 1\n  f: 2\n  m {\n    f: 3\n  }\n  m {}\n}\n"


_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
_numbers = st.one_of(
    st.integers(-(2**63), 2**63).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["1.", ".5", "-.5e+3F", "0x1F", "017", "0"]),
)


def _scalar(pair: tuple[Any, str]) -> Scalar:
    span = parse("").block.span
    return Scalar(pair[0], pair[1], span)


_scalars = st.one_of(
    _numbers.map(lambda text: ("number", text)),
    _names.map(lambda text: ("identifier", text)),
    st.text().map(lambda text: ("string", text)),
    st.binary().map(lambda data: ("string", data.decode("utf-8", "surrogateescape"))),
).map(_scalar)
_span = parse("").block.span


def _field(pair: tuple[str, Any]) -> Field:
    return Field(pair[0], _span, pair[1], _span)


_blocks = st.recursive(
    st.lists(st.tuples(_names, _scalars).map(_field), max_size=3).map(lambda f: Block(tuple(f), _span)),
    lambda inner: st.lists(
        st.tuples(
            _names,
            st.one_of(
                _scalars,
                inner,
                st.lists(_scalars, max_size=3).map(lambda items: ListValue(tuple(items), _span)),
                st.lists(inner, max_size=3).map(lambda items: ListValue(tuple(items), _span)),
            ),
        ).map(_field),
        max_size=4,
    ).map(lambda f: Block(tuple(f), _span)),
    max_leaves=12,
)


@given(_blocks)
@settings(max_examples=200, deadline=None)
def test_parse_undoes_write(block: Block) -> None:
    written = write(block)
    again = parse(written)
    assert plain(again.block) == plain(block)
    assert write(again.block) == written


_WRITTEN = """m f i s { } < > [ ] : , ; - 1 0x1f 010 1.5 .5 1e3 true "a" 'b' " ' \\ inf = $x \u00e9 3x .. ( / %"""
_pieces = st.sampled_from([*_WRITTEN.split(), "\n", "\t", "#c\n"])


@given(st.lists(_pieces, max_size=25).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_accepts_what_protobuf_accepts(text: str) -> None:
    """Never a crash; and whatever protobuf's reader takes, netc takes."""
    try:
        message(text)
        accepted = True
    except text_format.ParseError:
        accepted = False
    try:
        parse(text)
    except NetError as error:
        if accepted:
            raise
        json.dumps([diagnostic.render() for diagnostic in error.diagnostics])


@given(st.text(max_size=60) | st.text(alphabet="ab:{}[]<>,;\"'\\-0x.#\n $@%={}()", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    try:
        document = parse(text)
    except NetError as error:
        assert 1 <= len(error.diagnostics) <= 20  # noqa: PT017
        json.dumps(str(error))
    else:
        assert plain(parse(write(document.block)).block) == plain(document.block)
