"""Naming: which names are safe to show.

Decides on names of spheres, members and connectors; bodies are free text that clients escape.
Invariant: a name that passes renders as one line, in one direction, with nothing invisible in it.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

from server import errors
from server.protocol.scalars import FILE_NAME_CHARS_MAX, NAME_CHARS_MAX, REACTION_CHARS_MAX

#: The longest address: what mail allows (RFC 5321).
ADDRESS_CHARS_MAX = 254
#: Unicode categories that never belong in a name: controls, formats (bidirectional overrides,
#: zero width), surrogates, private use, unassigned, line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Letters and marks by category, but without ink: they make two names look alike.
_BLANK = frozenset(
    "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f\u180b\u180c\u180d\u180f\ufe0e\ufe0f"
)

#: What stands for something else than itself in a path, on one system or another.
_NO_FILE = frozenset('/\\:*?"<>|')

#: What joins emojis into one, and what asks for the emoji's look of a character.
_JOINER, _LOOK = "\u200d", "\ufe0f"
_JOINERS = frozenset({_JOINER, _LOOK})
#: Variation selectors: they choose a glyph, and show nothing themselves.
_SELECTORS = (("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))


def check_name(name: str) -> str:
    """Return ``name`` in NFC without outer or doubled spaces.

    Raises InvalidField when it holds a character that does not show, nothing that does, or more
    than NAME_CHARS_MAX once composed (NFC makes a few characters longer).
    """
    return _clean(name, NAME_CHARS_MAX)


def _clean(name: str, most: int) -> str:
    for character in name:
        if not _shows(character):
            raise errors.InvalidField(
                f"A name may not hold the character U+{ord(character):04X}: it does not show."
            )
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    if not any(unicodedata.category(character)[0] not in "MZ" for character in clean):
        raise errors.InvalidField("A name must hold something that shows.")
    if len(clean) > most:
        raise errors.InvalidField(f"A name has at most {most} characters.")
    return clean


def check_reaction(reaction: str) -> str:
    """Return ``reaction`` in NFC, without outer or doubled spaces.

    Raises InvalidField as ``check_name`` does; but what joins the parts of an emoji, and chooses
    its look, may stand directly behind something that shows.
    """
    for before, character in pairwise(f" {reaction} "):
        if not _may_follow(character, before):
            raise errors.InvalidField("A reaction may not hold what does not show.")
    check_name("".join(character for character in reaction if character not in _JOINERS))
    clean = " ".join(unicodedata.normalize("NFC", reaction).split())
    if len(clean) > REACTION_CHARS_MAX:
        raise errors.InvalidField(f"A reaction has at most {REACTION_CHARS_MAX} characters.")
    return clean


def check_file_name(name: str) -> str:
    """Return a file's ``name`` in NFC without outer or doubled spaces.

    Raises InvalidField as ``check_name`` does, and for a name that is a path, or that a system
    gives a meaning of its own: one that begins or ends with a dot, or holds a mark of a path or
    a wildcard.
    """
    clean = _clean(name, FILE_NAME_CHARS_MAX)
    if clean.startswith(".") or clean.endswith(".") or not _NO_FILE.isdisjoint(clean):
        raise errors.InvalidField(
            "A file's name holds no mark of a path, and no dot at either end."
        )
    return clean


def _may_follow(character: str, before: str) -> bool:
    """Say whether what joins emojis stands where it does join them."""
    if before == _JOINER:
        return not character.isspace() and character not in _JOINERS
    if before == _LOOK:
        return character != _LOOK
    return character not in _JOINERS or not before.isspace()


def check_address(address: str) -> str:
    """Return an address to sign in with, as typed, without outer spaces.

    Raises InvalidField when it is too short, too long, or holds a space or what does not show. It
    need not be an e-mail address: nothing is ever sent to it.
    """
    clean = address.strip()
    if not 3 <= len(clean) <= ADDRESS_CHARS_MAX:
        raise errors.InvalidField(f"An address has from 3 to {ADDRESS_CHARS_MAX} characters.")
    if any(character.isspace() or not _shows(character) for character in clean):
        raise errors.InvalidField("An address holds no spaces, and nothing that does not show.")
    return clean


def _shows(character: str) -> bool:
    return (
        unicodedata.category(character) not in _REFUSED
        and character not in _BLANK
        and not any(first <= character <= last for first, last in _SELECTORS)
    )
