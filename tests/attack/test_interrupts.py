"""Short runs of the campaigns that interrupt and kill."""

import pytest

from tools.attack import interrupts, kills


def test_interrupts() -> None:
    tally = interrupts.run(10, seed=2)
    assert not tally.failures, tally.failures
    assert tally.counts["interrupts"] == 10


@pytest.mark.parametrize("given", [False, True])
def test_a_wrong_result_is_found(given: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign that cannot fail finds nothing: here each later result is made another one."""
    numbers = iter(range(10**6))
    attacked = interrupts.Attacked("made up", lambda: b"same")
    attacked.call = lambda: str(next(numbers)).encode() if given else b"same"
    monkeypatch.setattr(interrupts, "interrupted", lambda call, delay: True)
    monkeypatch.setattr(interrupts, "_attacked", lambda folder: [attacked])
    assert len(interrupts.run(5, seed=1).failures) == 5 * given


def test_kills() -> None:
    tally = kills.run(1, seed=4)
    assert not tally.failures, tally.failures
    assert tally.counts["kills"] == 1
