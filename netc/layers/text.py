"""Text: tokens of a text file, in the form that the net learns from.

Computes:
    Batches of token numbers. `unit` says what a token is: a character, a word (what stands between blanks) or a piece
    of a word (BPE). Numbers are lines of the `vocabulary`, from 0; without one they are the tokens of the file itself,
    by frequency, behind <pad> 0, <unk> 1, <s> 2 and </s> 3. `form` says what the tops hold:
    LM: the text as `batch_size` streams side by side, `steps` at a time; cont, 0 where a stream begins; the next
    tokens. PAIRS: of lines with a tab, the first column behind filling; where it is no filling; <s> and the second
    column; the second column and </s>, filled up behind; a cont, 0 at the first step. TAGS: words behind filling;
    where they are none; a tag for each word. LABELS: tokens filled up behind; the class in the second column.
    SKIPGRAM: each word with each of its neighbours, at most `window` away in its line. CBOW: the neighbours of each
    word, <pad> where there is none; the word. COOCCURRENCE: pairs of words, and how often they stand together, each
    time counting 1 / distance.

Shapes:
    T x N three times (LM, TAGS); S x N twice, T x N three times (PAIRS); N x T, N (LABELS); N, N (SKIPGRAM);
    N x 2 window, N (CBOW); N, N, N (COOCCURRENCE). T is `steps`, S `source_steps` (or `steps`), N `batch_size`. Fewer
    tops take the first.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. Filling in front has at least one place, so that the mask is a recurrent layer's cont, too.
    A form in which records are lines or words may be shuffled; LM reads the text as it is, and its streams, which
    begin again at their ends, hold the state of recurrent layers from batch to batch.
"""

from netc.kernels.text_shapes import FORMS, TextForm, samples
from netc.layer import BAD_FIELD, MISSING_FIELD, NONE, Arity, Example, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.choosing import CLASSES, PART
from netc.schema.declare import Enum, Message, optional
from netc.setups.choosing import check_choice

_UNITS = {"CHAR": 0, "WORD": 1, "BPE": 2}
PARAMETER = Message(
    "TextParameter",
    (
        optional("source", 1, "string", doc="A text file.", origin="netc"),
        optional("form", 2, "TextParameter.Form", "LM", "What the tops hold.", origin="netc"),
        optional("unit", 3, "TextParameter.Unit", "CHAR", "What a token is.", origin="netc"),
        optional("steps", 4, "uint32", 0, "Tokens of a row: of a batch, or the longest line's.", origin="netc"),
        optional("source_steps", 5, "uint32", 0, "The same, of the first column; `steps` if unset.", origin="netc"),
        optional("batch_size", 6, "uint32", 0, "Streams, lines or words in a batch.", origin="netc"),
        optional("vocabulary", 7, "string", doc="A file with a token a line (`netc data vocab`).", origin="netc"),
        optional("target_vocabulary", 8, "string", doc="That of the second column.", origin="netc"),
        optional("target_unit", 9, "TextParameter.Unit", "CHAR", "That of the second column; `unit` if unset."),
        optional("lower", 10, "bool", False, "In small letters.", origin="netc"),
        optional("marks", 11, "bool", False, "Of words: marks stand alone.", origin="netc"),
        optional("shuffle", 12, "bool", False, "Another order in every epoch.", origin="netc"),
        optional("window", 13, "uint32", 5, "How far away neighbours are, at most.", origin="netc"),
        optional("subsample", 14, "float", 0.0, "Words above this share of the text are thinned.", origin="netc"),
        *PART,
        *CLASSES,
    ),
    (
        Enum("Form", {name: number for number, name in enumerate(FORMS)}, "What the tops of a Text layer hold."),
        Enum("Unit", _UNITS, "What a token of a text is."),
    ),
    doc="A text file as numbers of tokens.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p, form = site.p, FORMS[site.p.form]
    _check(site, form)
    shapes = site.given or form.shapes(p)
    return Setup(tops=shapes[: site.top_count], reads=())


def _check(site: Site, form: TextForm) -> None:
    p, name = site.p, site.p.form
    if site.top_count > len(form.tops):
        given = ", ".join(form.tops)
        message = f"form: {name} gives {len(form.tops)} tops ({given}), but the layer has {site.top_count}"
        site.refuse(BAD_FIELD, message, "top", "form")
    if not p.batch_size:
        site.refuse(MISSING_FIELD, "needs batch_size, the number of samples in a batch", "batch_size")
    if form.steps and not p.steps:
        site.refuse(MISSING_FIELD, f"form: {name} needs steps, the number of tokens of a row", "steps")
    for field, forms in _ONLY.items():
        if p.has(field) and name not in forms:
            known = " and ".join(filter(None, (", ".join(forms[:-1]), forms[-1])))
            site.refuse(BAD_FIELD, f"{field} is for form: {known}, not for {name}", field)
    if name == "LABELS":
        check_choice(site)
    if "window" in _of(name) and not p.window:
        site.refuse(BAD_FIELD, "window: 0 leaves no neighbours", "window")
    if not 0 <= p.subsample < 1:
        site.refuse(BAD_FIELD, f"subsample: {p.subsample:g} is a share of the text: from 0 to below 1", "subsample")
    if p.marks and "WORD" not in (p.unit, p.target_unit if p.has("target_unit") else p.unit):
        site.refuse(BAD_FIELD, f"marks is for unit: WORD, not for {p.unit}", "marks")


_WORDS = ("SKIPGRAM", "CBOW", "COOCCURRENCE")
_ONLY = {
    "steps": ("LM", "PAIRS", "TAGS", "LABELS"),
    "source_steps": ("PAIRS",),
    "shuffle": ("PAIRS", "TAGS", "LABELS", *_WORDS),
    "target_vocabulary": ("PAIRS", "TAGS", "LABELS"),
    "target_unit": ("PAIRS",),
    "window": _WORDS,
    "subsample": _WORDS,
    "classes": ("LABELS",),
    "per_class": ("LABELS",),
    "together": ("LABELS",),
}
"""Fields that only some forms have."""


def _of(form: str) -> tuple[str, ...]:
    return tuple(field for field, forms in _ONLY.items() if form in forms)


_LM = "form: LM unit: CHAR steps: 32 batch_size: 16"
_PAIRS = "form: PAIRS unit: WORD steps: 12 source_steps: 8 batch_size: 10"

TEXT = LayerType(
    "Text",
    __doc__,
    setup,
    param="text_param",
    own=Param(optional("text_param", 2170, "TextParameter", doc="Fields of Text layers.", origin="netc"), (PARAMETER,)),
    bottoms=NONE,
    tops=Arity(1, 5),
    source=True,
    origin="netc",
    role=Role("source", samples=samples),
    examples=(
        Example(f'text_param {{ source: "words.txt" {_LM} }}', inputs=(), tops=3),
        Example(f'text_param {{ source: "pairs.txt" {_PAIRS} shuffle: true }}', inputs=(), tops=5),
        Example('text_param { source: "pairs.txt" form: TAGS unit: WORD steps: 9 batch_size: 2 }', inputs=(), tops=3),
        Example('text_param { source: "pairs.txt" form: LABELS steps: 9 batch_size: 2 }', inputs=(), tops=2),
        Example('text_param { source: "words.txt" form: SKIPGRAM unit: WORD batch_size: 64 }', inputs=(), tops=2),
        Example('text_param { source: "words.txt" form: CBOW unit: WORD window: 3 batch_size: 5 }', inputs=(), tops=2),
        Example('text_param { source: "words.txt" form: COOCCURRENCE unit: WORD batch_size: 8 }', inputs=(), tops=3),
    ),
    refuses=(
        Refused(MISSING_FIELD, 'text_param { source: "a.txt" steps: 4 }', bottoms=(), tops=3),
        Refused(MISSING_FIELD, 'text_param { source: "a.txt" batch_size: 4 }', bottoms=(), tops=3),
        Refused(BAD_FIELD, f"text_param {{ {_LM} }}", bottoms=(), tops=4),
        Refused(BAD_FIELD, f"text_param {{ {_LM} shuffle: true }}", bottoms=(), tops=3),
        Refused(BAD_FIELD, f"text_param {{ {_LM} source_steps: 3 }}", bottoms=(), tops=3),
        Refused(BAD_FIELD, f"text_param {{ {_LM} marks: true }}", bottoms=(), tops=3),
        Refused(BAD_FIELD, "text_param { form: CBOW batch_size: 2 window: 0 }", bottoms=(), tops=2),
        Refused(BAD_FIELD, "text_param { form: SKIPGRAM batch_size: 2 subsample: 1 }", bottoms=(), tops=2),
    ),
)
