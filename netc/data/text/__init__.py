"""Text: the tokens of a text file, in the form that a net learns from; what tokens are, and their vocabularies."""

from __future__ import annotations

from netc.data.source import SourceType
from netc.data.text.source import TextSource, probe

TEXT = SourceType("Text", TextSource, probe)
