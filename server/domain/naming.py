"""Naming: which names are safe to show.

Decides on names of spheres, members and connectors; bodies are free text that clients escape.
Invariant: a name that passes renders as one line, in one direction, with nothing invisible in it.
"""

from __future__ import annotations

import unicodedata

from server import errors

#: Unicode categories that never belong in a name: controls, formats (bidirectional overrides,
#: zero width), surrogates, private use, unassigned, line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Letters and marks by category, but without ink: they make two names look alike.
_BLANK = frozenset(
    "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f\u180b\u180c\u180d\u180f\ufe0e\ufe0f"
)


def check_name(name: str) -> str:
    """Return ``name`` in NFC without outer or doubled spaces.

    Raises InvalidField when it holds a character that does not show, or nothing that does.
    """
    for character in name:
        if unicodedata.category(character) in _REFUSED or character in _BLANK:
            raise errors.InvalidField(
                f"A name may not hold the character U+{ord(character):04X}: it does not show."
            )
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    if not clean:
        raise errors.InvalidField("A name must hold something that shows.")
    return clean
