"""Text to tree and back: the grammar, the parser and the writer. Knows no layer type and no message."""

from netc.language.expand import expand
from netc.language.format import format_text
from netc.language.parse import parse
from netc.language.read import read, read_text
from netc.language.settings import setting, setting_of
from netc.language.tree import Block, Document, Field, ListValue, Scalar, Setting
from netc.language.vocabulary import Vocabulary
from netc.language.write import write, write_line, write_scalar

__all__ = [
    "Block",
    "Document",
    "Field",
    "ListValue",
    "Scalar",
    "Setting",
    "Vocabulary",
    "expand",
    "format_text",
    "parse",
    "read",
    "read_text",
    "setting",
    "setting_of",
    "write",
    "write_line",
    "write_scalar",
]
