"""The table, by hand from the promises: what each operation answers in each position.

A position is what somebody is to a sphere, at the moment of asking. Where the sphere's kind makes a
difference to somebody outside, the position says how it looks from there. ``nowhere`` is an id
that does not exist, or that stands for nothing that may be known (a foreign sphere, a private
thread, or any sphere for whoever is shut out); ``outside`` a sphere that does not show itself to
them; ``gate`` one that shows itself and is open; ``door`` one that shows itself and is closed.
``former`` left and bequeathed something; inside, the kind makes no difference.

A row is an operation, the roles in the organisation to which it speaks (V, M, G: visitor, member,
manager), and an answer a position. To add a command: its rows here, its fields in ``operations``.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec

POSITIONS: Final = (
    "nowhere", "outside", "gate", "door", "invited", "asked", "former", "member", "administrator",
    "entered",
)  # fmt: skip

#: What the signs in the table mean: ok, or the code of the refusal.
MEANING: Final = {
    ".": "ok",
    "?": "not_found",
    "-": "not_allowed",
    "=": "already_inside",
    "j": "may_join",
    "s": "stale_destination",
}

TABLE: Final = """
                           roles  nowhere outside gate door invited asked former member admin entered
subscribe                | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
history                  | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
journal                  | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
post                     | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
post, stale              | VMG  |  ?       ?      ?    ?    ?       ?     ?      s      s     s
profile                  | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
profile, of nobody       | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
describe                 | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
configure                | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
configure, stale         | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      s     s
invite                   | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
uninvite                 | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
invite_visitor           | V    |  ?       ?      ?    ?    ?       ?     ?      -      -     .
invite_visitor           | MG   |  ?       ?      ?    ?    ?       ?     ?      -      .     .
decline                  | VMG  |  ?       ?      ?    ?    .       .     ?      ?      ?     ?
join                     | VMG  |  ?       ?      .    ?    .       ?     ?      =      =     =
ask                      | V    |  -       -      -    -    -       -     -      -      -     -
ask                      | MG   |  ?       ?      j    .    j       .     ?      =      =     =
requests                 | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
refuse                   | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
converse                 | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
converse, stale          | VMG  |  ?       ?      ?    ?    ?       ?     ?      s      s     s
converse, nobody         | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
prefer                   | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
leave                    | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
remove                   | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
remove, nobody           | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      ?     ?
remove, myself           | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      -     -
appoint                  | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
appoint, myself          | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      =     =
appoint, nobody          | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      ?     ?
step_down                | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     -
bequeath                 | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
bequeath, withdraw       | VMG  |  ?       ?      ?    ?    ?       ?     .      .      .     .
enter                    | VM   |  -       -      -    -    -       -     -      -      -     -
enter                    | G    |  ?       .      .    .    .       .     .      =      =     =
install_connector        | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
revoke_connector         | VMG  |  ?       ?      ?    ?    ?       ?     ?      -      .     .
revoke_connector, of none| VMG  |  ?       ?      ?    ?    ?       ?     ?      -      ?     ?
post, reply to nothing   | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
post, in reply           | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
post, reply to before    | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
react, to before         | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
edit                     | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
edit, stale              | VMG  |  ?       ?      ?    ?    ?       ?     ?      s      s     s
edit, of another         | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
delete                   | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
delete, of another       | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
react                    | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
react, to nothing        | VMG  |  ?       ?      ?    ?    ?       ?     ?      ?      ?     ?
mark_read                | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
attach                   | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
post, with a file        | VMG  |  ?       ?      ?    ?    ?       ?     ?      .      .     .
post, with a file of another | VMG | ?     ?      ?    ?    ?       ?     ?      ?      ?     ?
"""  # noqa: E501  # a table

ROLES: Final = {"V": "visitor", "M": "member", "G": "manager"}


class Row(msgspec.Struct, frozen=True):
    """What one operation answers to some roles, by position."""

    operation: str
    roles: frozenset[str]
    answers: dict[str, str]

    @property
    def command(self) -> str:
        """Return the type of the command on the wire."""
        return self.operation.partition(",")[0]


def rows() -> list[Row]:
    """Return the table."""
    found = []
    for line in TABLE.strip("\n").splitlines()[1:]:
        operation, roles, answers = (part.strip() for part in line.split("|"))
        signs = answers.split()
        assert len(signs) == len(POSITIONS), operation
        found.append(
            Row(
                operation=operation,
                roles=frozenset(ROLES[letter] for letter in roles),
                answers={
                    position: MEANING[sign] for position, sign in zip(POSITIONS, signs, strict=True)
                },
            )
        )
    return found


@cache
def expected(operation: str, role: str, position: str) -> str:
    """Return what the table says. Fails unless exactly one row speaks to it."""
    (row,) = [one for one in rows() if one.operation == operation and role in one.roles]
    return row.answers[position]
