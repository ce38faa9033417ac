"""Links between the documents lead somewhere, and no file names what only one machine knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import ROOT

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
#: Folders that hold nothing of ours; those that begin with a dot are left out too.
_FOREIGN = frozenset({"var", "__pycache__", "node_modules", "htmlcov", "build", "dist"})
# Written so that this file does not find itself.
_MACHINE = re.compile(
    rb"/(?:work|root|farm|home/[a-z]+)/"
    rb"|[:]//[^ \n]*(?:pypi|pythonhosted|npmjs|debian)"
)


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Yield the files of the project."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _FOREIGN or path.suffix == ".egg-info":
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def pages() -> list[Path]:
    """Return the documents."""
    return [path for path in files() if path.suffix == ".md"]


def links(page: Path) -> list[str]:
    """Return where a document points inside the project."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if "://" not in link and ":" not in link[:8]]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a document's headings, as forges make them."""
    titles = _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    plain = (re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles)
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page

        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_no_file_names_a_path_of_one_machine_or_the_host_of_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode(errors='replace')}"
        for path in files()
        if (match := _MACHINE.search(path.read_bytes()))
    ]

    assert found == []
