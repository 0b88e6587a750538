"""A short run of the campaign against files."""

from tools.attack import files


def test_files_are_whole_whoever_writes_and_dies() -> None:
    tally = files.run(24, 7)
    assert tally.failures == []
    assert tally.counts["kills"] == 6
