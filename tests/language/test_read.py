"""Files that are not the text of a net."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.errors import NetError
from netc.language import read
from netc.language.tree import Scalar


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(NetError) as raised:
        read(path)
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code.id, diagnostic.message.removeprefix(f"{path} cannot be read: ")


def test_byte_order_mark_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    path.write_bytes(b'\xef\xbb\xbfname:\t"a"\r\n# done\r\n')
    document = read(path)
    assert document.block.fields[0].name == "name"
    assert document.block.fields[0].span.column == 1


def test_latin_1_in_comments_and_strings(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    path.write_bytes(b"# caf\xe9\nname: 'caf\xe9'\n")
    value = read(path).block.fields[0].value
    assert isinstance(value, Scalar)
    assert value.text == "caf\udce9"


def test_missing(tmp_path: Path) -> None:
    (tmp_path / "lenet.prototxt").touch()
    with pytest.raises(NetError) as raised:
        read(tmp_path / "lenett.prototxt")
    assert raised.value.diagnostics[0].code.id == "SYN020"
    assert raised.value.diagnostics[0].help == "did you mean lenet.prototxt?"
    assert refusal(tmp_path / "no" / "such") == ("SYN020", "there is no such file")
    assert refusal(tmp_path) == ("SYN020", "it is a directory")
    assert refusal(Path("a\0b"))[0] == "SYN020"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.prototxt", b"name: \0", "SYN021"),
        ("a.caffemodel", b"\x0a\x05LeNet\xa2\x06\x10\x0a\x05conv1\x00\x00", "SYN021"),
        ("a.prototxt", b"\x0a\x05LeNet\xa2\x06\x10\x0a\x05conv1\x00\x00\x01", "SYN021"),
        ("a.solverstate", b"\x08\x90\x4e\x12\x01a", "SYN021"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "SYN021"),
        ("a.zip", b"PK\x03\x04", "SYN021"),
        ("a.prototxt", "name: 'a'".encode("utf-16"), "SYN023"),
        ("a.prototxt", b"\n<!DOCTYPE html>\n<html>", "SYN020"),
        ("a.prototxt", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "SYN020"),
    ],
)
def test_not_text(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert refusal(path)[0] == code


def test_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(b"\x0a\x05LeNet\x00")
    assert refusal(path) == ("SYN021", "it is binary: trained weights, not a net's text")


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    with open(path, "wb") as file:
        file.truncate((8 << 20) + 1)
    assert refusal(path) == ("SYN022", "it holds more than 8 MB")
