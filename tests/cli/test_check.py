"""`netc check`: all mistakes in one go, and input that is no net at all."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

FIVE = """name: "five"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 kernel_sise: 5 }
}
layer { name: "conv2" type: "Convolutoin" bottom: "data" top: "conv2" }
layer { name: "relu" type: "ReLU" bottom: "dta" top: "relu" }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "b" type: "Convolution" bottom: "data" top: "b" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 9 } }
"""
PLACES = [("SCH001", 4, 52), ("GRA001", 6, 29), ("GRA003", 7, 43), ("LAY002", 10, 57), ("LAY005", 11, 94)]


def test_five_mistakes_are_all_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "five.net").write_text(FIVE)
    done = run("check", "five.net")
    assert (done.code, done.out) == (1, "")
    for code, line, column in PLACES:
        assert f"five.net:{line}:{column}: error[{code}]" in done.err
    assert done.err.count("  help: ") == 5
    assert done.err.count("^") >= 5
    assert "did you mean `kernel_size`?" in done.err
    assert 'did you mean "Convolution"?' in done.err
    assert 'did you mean "data"?' in done.err
    assert 'layer "a" (Convolution) makes it from 1x3x8x8 (five.net:8:' in done.err
    assert 'layer "b" (Convolution) makes it from 1x3x8x8 (five.net:9:' in done.err


def test_json_gives_ranges_in_lsp_form(run: Run, tmp_path: Path) -> None:
    (tmp_path / "five.net").write_text(FIVE)
    done = run("check", "five.net", "--json")
    found = json.loads(done.out)
    assert [(d["code"], d["range"]["start"]) for d in found] == [
        (code, {"line": line - 1, "character": column - 1}) for code, line, column in PLACES
    ]


def test_a_file_without_mistakes(run: Run, small: Path) -> None:
    done = run("check", small)
    assert (done.code, done.out) == (0, "")
    assert "0 errors" in done.err


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "GRA"),
        (b"\x00\x01\x02\xff" * 100, "SYN"),
        (b'name: "a\x00b"', "SYN"),
        (b"layer { ", "SYN"),
        (b"{" * 100_000, "SYN"),
        (b"a { " * 100_000, "SYN"),
    ],
    ids=["empty", "binary", "nul", "unclosed", "braces", "nested"],
)
def test_what_is_no_net_gets_a_diagnostic(run: Run, tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "bad.net").write_bytes(content)
    done = run("check", "bad.net")
    assert (done.code, done.out) == (1, "")
    assert f"error[{code}" in done.err


def test_a_directory_and_a_missing_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("folder", "missing.net"):
        done = run("check", name)
        assert done.code == 1
        assert "error[SYN" in done.err


def test_crlf_and_bom_are_fine(run: Run, small: Path, tmp_path: Path) -> None:
    text = small.read_text().replace("\n", "\r\n")
    (tmp_path / "windows.net").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert run("check", "windows.net").code == 0


def test_a_hundred_megabytes_of_text_are_refused_quickly(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "big.net").open("w") as file:
        for _ in range(100):
            file.write("# comment\n" * 100_000)
    done = run("check", "big.net", timeout=20)
    assert done.code == 1
    assert "error[SYN" in done.err


@pytest.mark.parametrize(
    ("dims", "code"),
    [("dim: 0 dim: 3 dim: 8 dim: 8", "LAY007"), ("dim: -1 dim: 3", "LAY007"), ("dim: 65536 dim: 65536", "PLN")],
)
def test_impossible_dimensions(run: Run, tmp_path: Path, dims: str, code: str) -> None:
    (tmp_path / "dims.net").write_text(
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'
    )
    done = run("check", "dims.net")
    assert done.code == 1
    assert f"error[{code}" in done.err


def test_usage_errors_exit_with_2(run: Run) -> None:
    assert run("check").code == 2
    assert run("chekc", "x").code == 2
    assert run("summary", "x", "--input", "data=1xq").code == 2
