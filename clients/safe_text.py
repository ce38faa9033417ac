"""Safe text: what others wrote, made harmless for a terminal.

Names and bodies come from people who may wish to move the cursor, recolour a line, reverse its
direction or pass for the client itself. Everything that a terminal or a bidirectional algorithm
would obey is shown as its code point instead. Invariant: what leaves here holds no control
character, no format character but the joiners that scripts and emoji need, and no lone surrogate;
one line goes in as one line and comes out as one line.
"""

from __future__ import annotations

import unicodedata
from typing import Final

#: Controls, formats (bidi overrides, zero widths, tags), surrogates, and the two separators that
#: some terminals take for a new line.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Zero width joiner and non-joiner: Persian and family emoji cannot be written without them.
_JOINERS: Final = "\u200c\u200d"
#: Marks that may pile up on one letter: the most that a living script needs is four or so, and
#: hundreds of them paint over the lines above.
_MARKS_MAX: Final = 8


def safe_line(text: str) -> str:
    """Return ``text`` as one harmless line; joiners stay only where a message needs them."""
    if text.isascii() and text.isprintable():
        return text
    return _thin_marks("".join(_shown(character) for character in text))


def safe_name(text: str) -> str:
    """Return a name as one harmless line, joiners shown too: they make two names look alike."""
    line = safe_line(text)
    for joiner in _JOINERS:
        line = line.replace(joiner, _escape(joiner))
    return line or "(no name)"


def safe_lines(text: str) -> list[str]:
    """Return a body as harmless lines; tabs become spaces, and every line break is one."""
    unified = text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return [safe_line(line.replace("\t", "    ")) for line in unified.split("\n")]


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _UNSAFE:
        return character
    return _escape(character)


def _escape(character: str) -> str:
    return f"<U+{ord(character):04X}>"


def _thin_marks(line: str) -> str:
    kept: list[str] = []
    run = 0
    for character in line:
        run = run + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if run <= _MARKS_MAX:
            kept.append(character)
    return "".join(kept)
