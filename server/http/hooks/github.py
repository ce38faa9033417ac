"""GitHub: the events of repositories, a line or a few each.

Decides the wording of pushes, and one sentence for whatever happens to an issue, a pull request, a
release. Bodies of issues and comments stay where they are: the link leads there. Invariant: an
event that nobody here knows is still told, by its name.
"""

from __future__ import annotations

import msgspec

from server.http.hooks.delivery import Brought, Delivery, lines

#: Commits of one push that are listed: a screen of a phone.
COMMITS_SHOWN_MAX = 10


class Party(msgspec.Struct, frozen=True):
    """Somebody who acts."""

    login: str | None = None
    username: str | None = None
    name: str | None = None

    @property
    def shown(self) -> str:
        """Return the best name that there is."""
        return self.login or self.username or self.name or "somebody"


class Repository(msgspec.Struct, frozen=True):
    """Where it happened."""

    full_name: str | None = None


class Commit(msgspec.Struct, frozen=True):
    """One commit of a push."""

    id: str = ""
    message: str = ""
    author: Party | None = None


class Subject(msgspec.Struct, frozen=True):
    """What it happened to."""

    number: int | None = None
    title: str | None = None
    name: str | None = None
    html_url: str | None = None


class Event(msgspec.Struct, frozen=True):
    """What of an event is looked at, whichever it is."""

    repository: Repository | None = None
    sender: Party | None = None
    pusher: Party | None = None
    action: str | None = None
    # A push.
    ref: str = ""
    compare: str | None = None
    compare_url: str | None = None  #: Gitea's word
    commits: list[Commit] | None = None
    total_commits: int | None = None  #: Gitea's
    created: bool = False
    deleted: bool = False
    forced: bool = False
    # Anything else.
    issue: Subject | None = None
    pull_request: Subject | None = None
    release: Subject | None = None
    comment: Subject | None = None
    zen: str | None = None


def recognises(delivery: Delivery) -> bool:
    """Say whether GitHub signs as the sender."""
    return "x-github-event" in delivery.headers


def read(delivery: Delivery) -> Brought:
    """Return what happened. Raises msgspec.ValidationError."""
    event = msgspec.convert(delivery.document, Event)
    key = delivery.headers.get("x-github-delivery")
    return Brought(
        text=told(delivery.headers["x-github-event"], event), key=key and f"github {key}"
    )


def told(name: str, event: Event) -> str:
    """Return an event as text."""
    repository = event.repository
    where = f"[{repository.full_name}] " if repository and repository.full_name else ""
    if name == "push":
        return where + _pushed(event)
    if name == "ping":
        return where + "The webhook is set up."
    return where + _happened(name, event)


def _pushed(event: Event) -> str:
    who = (event.sender or event.pusher or Party()).shown
    branch = _branch(event.ref)
    if event.deleted:
        return f"{who} deleted {branch}"
    commits = event.commits or []
    if not commits:
        return f"{who} created {branch}" if event.created else f"{who} pushed to {branch}"
    count = max(event.total_commits or 0, len(commits))
    left_out = count - min(len(commits), COMMITS_SHOWN_MAX)
    did = "force-pushed" if event.forced else "pushed"
    return lines(
        f"{who} {did} {count} commit{'s' if count > 1 else ''} to {branch}",
        *(_commit(commit) for commit in commits[:COMMITS_SHOWN_MAX]),
        f"… and {left_out} more" if left_out > 0 else None,
        event.compare or event.compare_url,
    )


def _branch(ref: str) -> str:
    if ref.startswith("refs/tags/"):
        return f"tag {ref.removeprefix('refs/tags/')}"
    return ref.removeprefix("refs/heads/") or "a branch"


def _commit(commit: Commit) -> str:
    summary = commit.message.strip().partition("\n")[0]
    author = f" ({commit.author.name or commit.author.shown})" if commit.author else ""
    return f"• {commit.id[:7]} {summary}{author}"


def _happened(name: str, event: Event) -> str:
    kind, subject = _subject(event)
    who = (event.sender or Party()).shown
    did = (event.action or "").replace("_", " ")
    if subject is None:
        return " ".join(part for part in (f"{who}:", name.replace("_", " "), did) if part)
    if event.comment is not None:
        did = "commented on" if event.action == "created" else f"{did} a comment on"
    number = f" #{subject.number}" if subject.number is not None else ""
    title = subject.title or subject.name
    address = (event.comment and event.comment.html_url) or subject.html_url
    return lines(
        f"{who} {did or name.replace('_', ' ')} {kind}{number}{f': {title}' if title else ''}",
        address,
    )


def _subject(event: Event) -> tuple[str, Subject | None]:
    for kind, subject in (
        ("pull request", event.pull_request),
        ("issue", event.issue),
        ("release", event.release),
    ):
        if subject is not None:
            return kind, subject
    return "", None
