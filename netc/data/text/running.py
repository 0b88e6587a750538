"""LM: a text as streams side by side, and of each token the one that follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from netc.data.text.corpus import Corpus
from netc.data.text.form import Numbers, as_bytes
from netc.layer import Array


class Running:
    """A record is one step of all streams: each stream is a part of the text, and they are of one length.

    At the first step of a stream `cont` is 0. The tokens behind the last stream, fewer than there are streams, are
    left out.
    """

    labels: Array | None = None

    def __init__(self, corpus: Corpus, streams: int) -> None:
        self._ids = corpus.running()
        self.count = max(0, (len(self._ids) - 1) // streams)
        self._starts = np.arange(streams, dtype=np.intp) * self.count

    def fill(self, records: Numbers, out: Sequence[Array]) -> None:
        places = records[:, None] + self._starts
        for top, values in zip(out, (self._ids[places], (records != 0)[:, None], self._ids[places + 1]), strict=False):
            top[...] = values

    def content(self) -> Iterator[bytes]:
        return as_bytes(self._ids)
