"""The photos that a newcomer's path is tried on."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tools import photos


def test_photos_of_six_classes(tmp_path: Path) -> None:
    photos.main([str(tmp_path / "a"), "--count", "13"])
    photos.main([str(tmp_path / "b"), "--count", "13"])
    files = sorted((tmp_path / "a").rglob("*.jpg"))
    assert {path.parent.name for path in files} == set(photos.SHAPES)
    assert len(photos.SHAPES) == 6
    assert len(files) == 13
    assert len({Image.open(path).size for path in files}) > 6
    for path in files:
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
