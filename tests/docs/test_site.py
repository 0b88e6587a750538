"""The documentation as a site: built as `make docs` does, where a link that leads nowhere is an error."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netc.catalogue import catalogue
from tests.docs.pages import ROOT


def build(site: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))


def test_there_is_a_page_for_each_layer_type(site: Path) -> None:
    assert {page.stem for page in (site / "reference/layers").glob("*.html")} == set(catalogue().types)
    assert "num_output" in text_of(site / "reference/layers/LSTM.html")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("python", "A net that runs, from a file or a definition"),
        ("python", "A training run, from a solver file"),
        ("choices", "xavier"),
        ("solver", "base_lr"),
        ("transforms", "crop_size"),
    ],
)
def test_pages_made_from_the_code_say_what_it_says(site: Path, page: str, words: str) -> None:
    assert words in text_of(site / f"reference/{page}.html")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in (site / "index.html", site / "language.html"):
        fetched = re.findall(r'<(?:link|script|img)\b[^>]*(?:href|src)="(https?:)?//', page.read_text())
        assert fetched == []


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    for name in ("mkdocs.yml", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("docs", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules", "bench", "attack"))
    (tmp_path / "netc").symlink_to(ROOT / "netc")
    with (tmp_path / "docs/data.md").open("a", encoding="utf-8") as page:
        page.write("\n[elsewhere](no_such_page.md)\n")
    done = build(tmp_path / "site", tmp_path)
    assert done.returncode == 1
    assert "no_such_page.md" in done.stderr
