"""Mrkdwn: Slack's escapes and links, as text that reads by itself.

Decides nothing about emphasis: stars, underscores and backquotes stay as they were written.
Invariant: of a link whose label differs from its address, the address is shown.
"""

from __future__ import annotations

import re

_MARK = re.compile(r"<([^<>\n]*)>")
_ESCAPE = re.compile("&(lt|gt|amp);")
_ESCAPED = {"lt": "<", "gt": ">", "amp": "&"}
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|mailto:|tel:)", re.IGNORECASE)


def rendered(text: str) -> str:
    """Return ``text`` with links and mentions spelled out, and escapes resolved."""
    return unescaped(_MARK.sub(_spelled, text))


def unescaped(text: str) -> str:
    """Return ``text`` with Slack's three escapes resolved, once."""
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], text)


def link(address: str, label: str) -> str:
    """Return a link as text: its address, after its label where that says something else."""
    bare = address.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in {address, bare, address.partition("://")[2]}:
        return bare
    return f"{label} ({bare})"


def _spelled(match: re.Match[str]) -> str:
    target, _, label = match[1].partition("|")
    sign, name = target[:1], target[1:]
    if sign == "@":
        return "@" + (label or name).removeprefix("@")
    if sign == "#":
        return "#" + (label or name).removeprefix("#")
    if sign == "!":
        return _special(name, label)
    if _ADDRESS.match(target):
        return link(target, label)
    return match[0]  # no mark of Slack's: somebody wrote these brackets


def _special(name: str, label: str) -> str:
    if name.startswith("date^"):
        return label
    if name.startswith("subteam^"):
        return "@" + (label or "group").removeprefix("@")
    return "@" + (label or name).removeprefix("@")
