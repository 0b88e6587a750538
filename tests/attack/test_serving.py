"""A short run of the campaign against a server."""

from tools.attack import serving


def test_every_answer_is_right() -> None:
    assert serving.run(400, 1).failures == []
