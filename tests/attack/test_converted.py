"""A few random nets through every writer."""

from tools.attack.converted import run


def test_random_nets_agree_or_are_refused() -> None:
    tally = run(8, 3)
    assert not tally.failures, "\n\n".join(tally.failures)
    assert tally.counts["nets"] == 8
    assert tally.counts["Caffe: agree"] > 4
