"""What `make test-user` runs as another user is there: a test file that moves must be followed."""

from pathlib import Path

from tools.ordinary_user import TESTS

ROOT = Path(__file__).parents[2]


def test_its_files_are_there() -> None:
    assert [path for path in TESTS if not (ROOT / path).is_file()] == []
