"""The diagnostics of reading and parsing text."""

from __future__ import annotations

from netc.errors import Code

UNEXPECTED = Code(
    "SYN001",
    "unexpected text",
    "What stands here cannot continue what was written before it. Protobuf text is a sequence of `name: value` and "
    "`name { ... }`; nothing else may stand between them.",
    'layer { name: "conv1" : }',
    'layer { name: "conv1" }',
)
UNCLOSED = Code(
    "SYN002",
    "a block is never closed",
    "The file ends inside a block. The diagnostic points at the opening brace that has no closing one; where several "
    "could be meant, indentation and the rest of the file decide.",
    'layer {\n  name: "conv1"\n  convolution_param {\n    num_output: 20\n}\n',
    'layer {\n  name: "conv1"\n  convolution_param {\n    num_output: 20\n  }\n}\n',
)
STRAY_CLOSE = Code(
    "SYN003",
    "a closing brace without an opening one",
    "Every block that was open here has been closed already: either this brace is one too many, or an opening brace "
    "is missing above.",
    'layer { name: "conv1" } }',
    'layer { name: "conv1" }',
)
OPEN_STRING = Code(
    "SYN004",
    "a string is not closed on its line",
    "A string ends with the quote it began with, on the same line. A long text may be written as several adjacent "
    "strings, which are joined.",
    'name: "conv1',
    'name: "conv1"',
)
MISSING_COLON = Code(
    "SYN005",
    "a colon is missing",
    "Between a field's name and its value stands a colon; only before a block `{ ... }` may it be left out.",
    "num_output 20",
    "num_output: 20",
)
EQUALS = Code(
    "SYN006",
    "an equals sign instead of a colon",
    "A field is given its value with a colon. `=` belongs to the statements of .net files, as in "
    "`y = ReLU(x)` and `let width = 64`.",
    "num_output = 20",
    "num_output: 20",
)
PLACEHOLDER = Code(
    "SYN007",
    "a template's placeholder was not filled in",
    "This file is a template: a script replaces the marked places (`$NUM`, `${NUM}`, `{{num}}`, `@NUM@`) before Caffe "
    "reads it. netc cannot know the values.",
    "num_output: $NUM_LABELS",
    "num_output: 21",
)
BAD_NUMBER = Code(
    "SYN008",
    "not a number",
    "Numbers are decimal (`12`, `-1.5`, `.5`, `1.`, `1e-3`, with an `f` at the end if you like), hexadecimal (`0x1F`) "
    "or octal (`017`: a leading zero makes a number octal, so `08` is none). A name may not follow without a blank.",
    "kernel_size: 3x3",
    "kernel_size: 3",
)
BAD_ESCAPE = Code(
    "SYN009",
    "an unknown escape in a string",
    "After a backslash comes one of `a b f n r t v ? ' \" \\`, one to three octal digits, `x` and one or two hex "
    "digits, `u` and four, or `U` and eight. A path of Windows needs `/` or `\\\\`.",
    'source: "C:\\data\\train"',
    'source: "C:/data/train"',
)
BAD_CHARACTER = Code(
    "SYN010",
    "a character that has no meaning here",
    "Outside strings and comments only ASCII letters, digits, `_` and punctuation have a meaning. Characters "
    "copied from a document (curly quotes, non-breaking blanks) look right and are not.",
    "name: \N{LEFT DOUBLE QUOTATION MARK}conv1\N{RIGHT DOUBLE QUOTATION MARK}",
    'name: "conv1"',
)
TOO_DEEP = Code(
    "SYN011",
    "blocks are nested too deeply",
    "No net needs more than a handful of blocks in blocks; the limit of 100 keeps a damaged file from using up the "
    "memory.",
    "a{" * 101 + "}" * 101,
    "a { b { } }",
)
MISSING_VALUE = Code(
    "SYN012",
    "a field has no value",
    "A field's name is followed by `: value` or by `{ ... }`.",
    "layer { name: }",
    'layer { name: "conv1" }',
)
MISSING_BRACE = Code(
    "SYN013",
    "an opening brace is missing",
    "Fields follow a name as if it opened a block, but no `{` does.",
    'layer\n  name: "conv1"\n}',
    'layer {\n  name: "conv1"\n}',
)
EXTENSION_NAME = Code(
    "SYN014",
    "an extension's name",
    "`[package.name]: value` names a protobuf extension. Caffe's messages have none.",
    "[caffe.extra]: 1",
    "",
)
SIGNED_NAME = Code(
    "SYN015",
    "a sign before a name",
    "A minus sign may stand before a number, `inf` or `nan` only.",
    "power: -two",
    "power: -2",
)
BAD_UNICODE = Code(
    "SYN016",
    "an escape that names no character",
    "`\\u` and `\\U` name a Unicode character by its number: at most 10FFFF, and not one half of a surrogate pair.",
    'name: "\\ud800"',
    'name: "\\U0001f600"',
)
UNREADABLE = Code(
    "SYN020",
    "a file cannot be read",
    "The file is missing, is a directory, or the system refuses to open it.",
    "netc check no-such-file.net",
    "",
)
BINARY = Code(
    "SYN021",
    "a binary file where text was expected",
    "A net is read from text. `.caffemodel` and `.solverstate` files hold trained weights in protobuf's binary form; "
    "they are given with `--weights` or `--snapshot`, beside the text of their net.",
    "netc check lenet.caffemodel",
    "netc test lenet.net --weights lenet.caffemodel",
)
TOO_LARGE = Code(
    "SYN022",
    "a file is too large",
    "The text of a net is at most 8 MB and 500,000 names, numbers and signs; the largest published ones are under "
    "1 MB and have 60,000. Weights belong in a .caffemodel.",
)
ENCODING = Code(
    "SYN023",
    "a text in an encoding other than UTF-8",
    "Files are read as UTF-8; single bytes of other encodings are let through in comments and strings. UTF-16 is not.",
    "",
    "Save the file as UTF-8.",
)
STATEMENT = Code(
    "SYN030",
    "statements in a plain prototxt",
    "A file named .prototxt, .pt or .pbtxt is read by Caffe as well, which knows fields only. Statements (`let`, "
    "`def`, `y = ReLU(x)`, ...) belong in .net files.",
    "# net.prototxt\nlet width = 64",
    "# net.net\nlet width = 64",
)
UNKNOWN_NAME = Code(
    "SYN031",
    "an unknown name",
    "The name was not declared before this place: no `let`, parameter or loop makes it a constant, or no input or "
    "assignment of this composite makes it a blob. A composite sees no blob from outside but its inputs.",
    "let width = 64\nlet twice = 2 * widht",
    "let width = 64\nlet twice = 2 * width",
)
NAME_TAKEN = Code(
    "SYN032",
    "a name that means something else already",
    "In one scope a name is one constant, one blob or one composite. Constants never change.",
    "let width = 64\nlet width = 128",
    "let width = 64\nlet wide = 128",
)
OPERANDS = Code(
    "SYN033",
    "an operator or function that does not take such values",
    "Arithmetic takes numbers, `+` also two strings; conditions are booleans; lists and strings are indexed "
    "with integers.",
    'let a = "x" * 2',
    "let a = 3 * 2",
)
OUT_OF_RANGE = Code(
    "SYN034",
    "a computed value is out of range",
    "A division by zero, an integer beyond 64 bits, a floating-point number that is not finite, or an index "
    "beyond a list.",
    "let a = 1 / 0",
    "let a = 1 / 2",
)
NOT_ITERABLE = Code(
    "SYN035",
    "a loop over something that is no range or list of this shape",
    "`for` goes over integers, `first..last` (both included), or over a list; with several names, over a list of lists "
    "of as many items.",
    "for w, s in [[64, 1], [128]] { }",
    "for w, s in [[64, 1], [128, 2]] { }",
)
ARGUMENTS = Code(
    "SYN036",
    "a composite is called with the wrong number of inputs or targets",
    "A composite takes exactly the inputs before its `;` and gives at most the outputs after its `->`.",
    "def f(x) -> y { y = ReLU(x) }\na = f(b, c)",
    "def f(x) -> y { y = ReLU(x) }\na = f(b)",
)
PARAMETERS = Code(
    "SYN037",
    "a composite's parameters are not given as it declares them",
    "In the body of the call each parameter without a default is given once, and nothing else is.",
    "def f(x; n) -> y { y = InnerProduct(x) { num_output: n } }\na = f(b) { m: 3 }",
    "def f(x; n) -> y { y = InnerProduct(x) { num_output: n } }\na = f(b) { n: 3 }",
)
RECURSION = Code(
    "SYN038",
    "a composite that calls itself",
    "Expansion must end, so a composite may not call itself, not even through another one. A loop repeats layers.",
    "def f(x) -> y { y = f(x) }\na = f(b)",
    "for i in 1..3 { a = ReLU(a) }",
)
IMPORT_PATH = Code(
    "SYN039",
    "a file that may not be imported or read",
    "Paths of imports, and of `read`, are relative to the file that they stand in and stay inside the project's root, "
    "so that a net file from elsewhere reads nothing it should not.",
    'import "/etc/passwd"',
    'import "blocks/resnet.net"',
)
IMPORT_CYCLE = Code(
    "SYN040",
    "files that import each other",
    "A file is evaluated when it is imported, so it cannot import a file that is waiting for it.",
    'import "self.net"',
    "",
)
MISPLACED = Code(
    "SYN041",
    "a statement or field where it may not stand",
    "Layers are made by a file, a composite, a loop, a condition or a phase block, not inside a layer; an imported "
    "file declares only; composites are declared by files.",
    "a = ReLU(b) { c = ReLU(d) }",
    "c = ReLU(d)\na = ReLU(b)",
)
TOO_LARGE_EXPANSION = Code(
    "SYN042",
    "the expanded net is too large",
    "Expansion is bounded: 10,000 layers, 100,000 statements, fields and items, strings of 65,536 characters, 200 "
    "imported files.",
    "for i in 1..1000000 { a = ReLU(a) }",
    "for i in 1..10 { a = ReLU(a) }",
)
PHASE = Code(
    "SYN043",
    "phases that contradict each other",
    "A layer in a phase block exists in that phase only. What a layer reads must exist in each of its phases, and be "
    "the same blob there.",
    "train { data, label = Digits() }\nh = ReLU(data)",
    "train { data, label = Digits() }\ntest { data, label = Digits() }\nh = ReLU(data)",
)
NO_OUTPUT = Code(
    "SYN044",
    "a composite does not make its output",
    "Every name after `->` must have been assigned when the body ends.",
    "def f(x) -> y { z = ReLU(x) }\na = f(b)",
    "def f(x) -> y { y = ReLU(x) }\na = f(b)",
)
UNKNOWN_TYPE = Code(
    "SYN045",
    "neither a layer type nor a composite",
    "The name before the parentheses is a composite declared above, or a layer type (`netc explain TYPE` describes "
    "each).",
    "a = Convolutoin(b)",
    "a = Convolution(b)",
)
NO_VALUE = Code(
    "SYN046",
    "a value of the wrong kind for its place",
    "A field holds a number, string, identifier, a block, or a list of these; lists of lists and composites are no "
    "values of fields. A label is a string or a name.",
    "a: [[1, 2]]",
    "a: [1, 2]",
)
NOT_A_SETTING = Code(
    "SYN050",
    "not a setting",
    "`--set NAME=VALUE` puts a value in the place of a constant, or of a field. VALUE is an expression of the language "
    "(a number, `[1, 2]`, `2 * 32`); where a string stands, any text. From Python it is a number, a boolean, a string, "
    "or a list of these.",
    "netc check nets/digits.net --set width",
    "netc check nets/digits.net --set solver.base_lr=0.1",
)
UNKNOWN_SETTING = Code(
    "SYN051",
    "nothing to set has this name",
    "What is set is a constant that the file itself declares (`let width = 32`), a field by its path through blocks "
    "(`solver.base_lr`), a field of a layer (`conv1.num_output`), or, by its name alone, a field of the solver.",
    "netc check nets/digits.net --set widht=64",
    "netc check nets/digits.net --set solver.max_iter=64",
)
