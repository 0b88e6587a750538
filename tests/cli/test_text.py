"""`netc expand` and `netc fmt`."""

from pathlib import Path

from google.protobuf import text_format

from netc.api.definition import schema_of
from netc.catalogue import catalogue
from tests.cli.conftest import Run

SHORT = """# a comment that stays
let   width=4
def block(x) -> y { a = InnerProduct(x) { num_output: width } y = ReLU(a) }
data = Input() { shape { dim: [2, 3] } }
h = data
for i in 1..2 { h = block(h) }
"""


def test_expand_gives_what_protobuf_reads(run: Run, tmp_path: Path) -> None:
    (tmp_path / "short.net").write_text(SHORT)
    done = run("expand", "short.net")
    message = schema_of(catalogue()).message_class("NetParameter")()
    text_format.Parse(done.out, message)
    assert [layer.name for layer in message.layer] == ["data", "block1/a", "block1/y", "block2/a", "block2/y"]
    assert message.layer[3].inner_product_param.num_output == 4
    assert run("expand", "short.net", "-o", "plain.prototxt").out == ""
    assert (tmp_path / "plain.prototxt").read_text() == done.out


def test_expand_legacy_upgrades_old_layers(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.prototxt").write_text(
        'input: "d" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4\n'
        'layers { name: "r" type: RELU bottom: "d" top: "r" }\n'
    )
    out = run("expand", "old.prototxt", "--legacy").out
    assert 'type: "ReLU"' in out
    assert "input_dim" not in out


def test_fmt_is_idempotent_and_keeps_comments(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "short.net"
    path.write_text(SHORT)
    assert run("fmt", "--check", path).code == 1
    assert path.read_text() == SHORT
    assert run("fmt", path).code == 0
    once = path.read_text()
    assert "# a comment that stays" in once
    assert run("fmt", "--check", path).code == 0
    assert run("fmt", path).code == 0
    assert path.read_text() == once
