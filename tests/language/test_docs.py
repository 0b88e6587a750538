"""docs/language.md says what is so: its examples do what it says, its tables and claims are tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netc.api.definition import schema_of, typed
from netc.api.planning import plan
from netc.api.vocabulary import LayerVocabulary
from netc.catalogue import catalogue
from netc.errors import NetError
from netc.language import builder, evaluate, expand, lexer, limits, parse, read, write
from netc.language.parse import MAX_CHARACTERS, MAX_TERMINALS, PLAIN_SUFFIXES
from netc.language.read import MAX_BYTES
from netc.language.tree import Block, Scalar

TEXT = (Path(__file__).parent.parent.parent / "docs" / "language.md").read_text(encoding="utf-8")
SAID = re.sub(r"\s+", " ", TEXT)
BLOCKS = re.findall(r"^```(\w*) ?([\w.]*)\n(.*?)^```$", TEXT, re.M | re.S)
TYPES = catalogue()
LAYERS = LayerVocabulary(TYPES, schema_of(TYPES))


def expanded(text: str) -> str:
    return write(expand(parse(text, "doc.net"), LAYERS).block)


# Examples


def test_every_block_of_the_page_is_tried() -> None:
    kinds = [kind for kind, _, _ in BLOCKS]
    assert kinds == ["net", "", "net", "prototxt", "net", "net", "net", "text"]


def test_the_first_example_is_a_net_in_every_phase() -> None:
    path = Path("doc.net")
    definition = typed(parse(BLOCKS[0][2], "doc.net"), path, TYPES)
    made = {phase: plan(definition, phase) for phase in ("TRAIN", "TEST")}
    assert {len(each.layers) for each in made.values()} == {9, 10}


def test_what_a_call_stands_for() -> None:
    assert expanded(BLOCKS[2][2]) == BLOCKS[3][2]


def test_the_solver_block(tmp_path: Path) -> None:
    path = tmp_path / "doc.net"
    path.write_text(BLOCKS[4][2])
    record = typed(read(path), path, TYPES).record
    assert record.solver.max_iter == 84


def test_the_diagnostic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _, name, text in BLOCKS[5:7]:
        Path(name).write_text(text)
    with pytest.raises(NetError) as raised:
        typed(read("digits.net"), Path("digits.net"), TYPES)
    assert f"{raised.value}\n" == BLOCKS[7][2]


# Tables


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading or a line, without its head."""
    part = TEXT[TEXT.index(heading) :]
    lines = part[part.index("|---") :].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def test_limits() -> None:
    assert [(what.split(" (")[0], int(count.replace(",", ""))) for what, count in rows("## Limits")] == [
        ("blocks in blocks", builder.MAX_DEPTH),
        ("bodies, loops and calls in one another", limits.MAX_NESTING),
        ("operators in one another", builder.MAX_OPERATORS),
        ("layers", limits.MAX_LAYERS),
        ("statements, fields, list items, inputs, outputs and operands carried out", limits.MAX_STEPS),
        ("characters of a computed string", limits.MAX_STRING),
        ("imported files", limits.MAX_FILES),
    ]
    assert f"{MAX_BYTES >> 20} MB and {MAX_TERMINALS:,} names, numbers and signs" in SAID
    assert MAX_BYTES == MAX_CHARACTERS


def test_words() -> None:
    assert f"(`{' '.join(lexer.KEYWORDS)}`)" in SAID
    functions = ", ".join(f"`{name}`" for name in ("min", "max", "abs", "floor", "ceil", "round"))
    assert f"Functions: {functions} (half to even), `len`." in SAID
    assert set(evaluate.FUNCTIONS) == {"min", "max", "abs", "floor", "ceil", "round", "len"}
    assert set(PLAIN_SUFFIXES) == {".prototxt", ".pt", ".pbtxt"}


PLACES = {
    "file": ["%s"],
    "body of a def or a phase block": ["def f(e) -> y { y = ReLU(e) %s }\nb = f(c)", "train { %s }"],
    "body of a for or an if": ["for i in 1..2 { %s }", "if true { %s }", "train { if true { %s } }"],
    "body of a call, of a field, of a let": ["b = ReLU(c) { %s }", "x { %s }", "let q = { %s }"],
}
COLUMNS = {
    "fields": ["n: 1", "n { m: 1 }"],
    "let, for, if": ["let z = 1", "for j in 1..1 { }", "if false { }"],
    "calls, assignments": ["d = ReLU(e)", "Silence(e)", "d = e"],
    "def, import": ["def g(x) -> y { y = ReLU(x) }", 'import "other.net"'],
    "phase blocks": ["train { d = ReLU(e) }"],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("column", list(COLUMNS))
def test_what_may_stand_where(place: str, column: str, tmp_path: Path) -> None:
    table = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows("What may stand where:")}
    said = table[place][column]
    (tmp_path / "other.net").write_text("let other = 1")
    for pattern in PLACES[place]:
        for statement in COLUMNS[column]:
            if place.startswith("body of a for") and said.startswith("as around"):
                refused = pattern.startswith("train") and column == "fields"
            else:
                refused = said != "yes"
            text = pattern % statement
            try:
                expand(parse(text, str(tmp_path / "doc.net")), LAYERS)
                codes = set[str]()
            except NetError as error:
                codes = {each.code.id for each in error.diagnostics}
            assert codes <= {"SYN041", "SYN006"}, text
            assert bool(codes) == refused, text


def test_layers_may_stand_in_composites_and_phase_blocks() -> None:
    layer = 'layer { name: "l" type: "ReLU" bottom: "c" top: "l" }'
    for pattern in PLACES["body of a def or a phase block"]:
        assert 'name: "l"' in expanded(pattern % layer)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [("n: 1", False), ("let z = 1", True), ("for i in 1..1 { }", False), ("if false { }", False),
     ("d = ReLU(e)", False), ("def g(x) -> y { y = ReLU(x) }", True), ('import "third.net"', True),
     ("train { }", False)],
)  # fmt: skip
def test_what_an_imported_file_may_hold(statement: str, allowed: bool, tmp_path: Path) -> None:
    (tmp_path / "third.net").write_text("let third = 1")
    (tmp_path / "other.net").write_text(statement)
    (tmp_path / "doc.net").write_text('import "other.net"')
    if allowed:
        expand(read(tmp_path / "doc.net"), LAYERS)
        return
    with pytest.raises(NetError) as raised:
        expand(read(tmp_path / "doc.net"), LAYERS)
    assert {each.code.id for each in raised.value.diagnostics} == {"SYN041"}


def test_layers_of_phases() -> None:
    table = rows("| layers of | get |")
    deploy = "deploy { other = Input() }\n"
    for phases, rules in table:
        names = re.findall(r"`(\w+)`", phases) or ["train", "test", "deploy"]
        made = outcome(deploy + f"{', '.join(names)} {{ d = DummyData() }}").split(" | ")[1]
        found = re.findall(r"include \{ .*? \}", made)
        written = re.findall(r"include \{ .*?\}", rules)
        if phases == "`test`":
            written = ['include { phase: TEST not_stage: "deploy" }']
            assert "include" in outcome("test { d = DummyData() }")
        if phases == "`train`, `test`":
            assert "include" not in outcome("train, test { d = DummyData() }")
        assert found == written, phases


# Claims: words of the page, a text, and what comes of it

CLAIMS = (Path(__file__).parent / "fixtures" / "claims.txt").read_text(encoding="utf-8").split("\n\n")


def layer(block: Block) -> str:
    """A layer on one line: `name: Type(bottoms) -> tops`, and the rest of its fields."""
    held = {name: [f.value.text for f in block.fields if f.name == name and isinstance(f.value, Scalar)]
            for name in ("name", "type", "bottom", "top")}  # fmt: skip
    rest = tuple(field for field in block.fields if field.name not in held)
    shown = f" {{ {' '.join(write(Block(rest, block.span)).split())} }}" if rest else ""
    tops = f" -> {', '.join(held['top'])}" if held["top"] else ""
    return f"{held['name'][0]}: {held['type'][0]}({', '.join(held['bottom'])}){tops}{shown}"


def outcome(text: str) -> str:
    """What a text expands to, a line for each layer; or the codes of what is wrong with it."""
    try:
        block = expand(parse(text, "doc.net"), LAYERS).block
    except NetError as error:
        return " ".join(sorted({each.code.id for each in error.diagnostics}))
    lines = []
    for field in block.fields:
        made = write(Block((field,), field.span))
        lines.append(layer(field.value) if isinstance(field.value, Block) and field.name == "layer" else made)
    return " | ".join(" ".join(line.split()) for line in lines)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.splitlines()[0])
def test_claims(claim: str) -> None:
    words, *text, made = claim.strip().splitlines()
    assert words in SAID
    assert outcome("\n".join(text)) == made.removeprefix("=> ")
