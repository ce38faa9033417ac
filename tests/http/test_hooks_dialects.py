"""What each dialect makes of a delivery: pure functions, by the formats' own examples."""

from __future__ import annotations

import json
import re
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from server import errors
from server.http.hooks.delivery import Brought, client_id_of, fitted, label_of
from server.http.hooks.dialects import read
from server.http.hooks.mrkdwn import rendered
from server.http.hooks.unpacking import unpack
from server.protocol.scalars import BODY_CHARS_MAX, ClientId

T = TypeVar("T")

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def brought(data: Any, kind: str | None = JSON, **headers: str) -> Brought:
    """Return what is made of a request."""
    raw = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind is not None:
        raw["content-type"] = kind
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return read(_finished(unpack(Headers(raw), data)))


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits, for it does no I/O: no loop is needed."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("it waited")


def text(data: Any, kind: str | None = JSON, **headers: str) -> str:
    """Return the text that is made of a request."""
    return brought(data, kind, **headers).text


def form(**fields: str) -> str:
    return "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items())


def multipart(**fields: str) -> tuple[bytes, str]:
    parts = "".join(
        f'--frontier\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return f"{parts}--frontier--\r\n".encode(), "multipart/form-data; boundary=frontier"


PAYLOAD = json.dumps({"text": "It is green & good."})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PAYLOAD, JSON),
        (PAYLOAD, "application/json; charset=utf-8"),
        (PAYLOAD, None),
        (PAYLOAD, FORM),  # curl -d '{...}'
        (PAYLOAD, "application/octet-stream"),
        ("\ufeff" + PAYLOAD, JSON),
        (form(payload=PAYLOAD), FORM),
        (form(payload=PAYLOAD), None),
        (form(text="It is green & good."), FORM),
        multipart(payload=PAYLOAD),
        multipart(text="It is green & good."),
        ("It is green & good.", "text/plain"),
        ("It is green & good.", FORM),  # curl -d 'It is ...'
        ("It is green & good.", None),
    ],
)
def test_one_message_reads_the_same_however_it_is_wrapped(data: Any, kind: str | None) -> None:
    assert text(data, kind) == "It is green & good."


def test_lines_may_break_inside_the_strings_of_json() -> None:
    assert text('{"text": "one\ntwo\tthree\r\nfour"}') == "one\ntwo\tthree\r\nfour"


def test_plain_text_that_looks_like_a_form_stays_as_it_is() -> None:
    assert text("CPU=97% on web1 & web2 (50+50)", FORM) == "CPU=97% on web1 & web2 (50+50)"


def test_plain_text_that_says_so_is_never_taken_for_json() -> None:
    assert text('{"text": "x"}', "text/plain") == '{"text": "x"}'


def test_a_payload_may_come_as_a_file() -> None:
    data = (
        b'--x\r\ncontent-disposition: form-data; name="payload"; filename="p.json"\r\n\r\n'
        + PAYLOAD.encode()
        + b'\r\n--x\r\ncontent-disposition: form-data; name="img"; filename="i.png"\r\n\r\n'
        + b"\x89PNG\xff\r\n--x--\r\n"
    )

    assert text(data, "multipart/form-data; boundary=x") == "It is green & good."


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("{", JSON),
        ('{"text": "x"', None),
        ('{"text": NaN}', JSON),
        ('["text"]', JSON),
        ('"text"', JSON),
        ("null", JSON),
        ('{"text": ["x"]}', JSON),
        ('{"text": "x", "attachments": "y"}', JSON),
        ("[" * 100_000, JSON),
        ('{"text":' + '{"a":' * 5_000, JSON),
        (b"\xff\xfe", "text/plain"),
        (b"\xff\xfe", JSON),
        (form(payload="{"), FORM),
        (b"--y\r\nbroken", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=x; charset=none-such"),
        ('{"type": "x"}', "application/cloudevents+json"),
    ],
)
def test_what_cannot_be_read_is_bad_input(data: Any, kind: str | None) -> None:
    with pytest.raises(errors.BadInput):
        brought(data, kind)


@given(
    st.binary(max_size=300), st.sampled_from([JSON, FORM, "", "multipart/form-data; boundary=x"])
)
def test_whatever_the_bytes_there_is_a_text_or_a_refusal(data: bytes, kind: str) -> None:
    with suppress(errors.BadInput):
        assert isinstance(brought(data, kind).text, str)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "text",
                    "type",
                    "elements",
                    "blocks",
                    "attachments",
                    "fields",
                    "rows",
                    "indent",
                    "unicode",
                    "title",
                    "message",
                    "alerts",
                    "groupLabels",
                    "status",
                    "name",
                    "alt_text",
                ]
            ),
            inner | st.sampled_from(["section", "rich_text", "rich_text_list", "emoji", "table"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_whatever_the_document_there_is_a_text_or_a_refusal(document: Any) -> None:
    with suppress(errors.BadInput):
        assert isinstance(brought(document).text, str)


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&amp;lt;", "&lt;"),
        ("<https://a.example/x?y=1&amp;z=2>", "https://a.example/x?y=1&z=2"),
        ("<https://a.example|the build>", "the build (https://a.example)"),
        ("<https://a.example|a.example>", "https://a.example"),
        (
            "<https://evil.example|https://bank.example>",
            "https://bank.example (https://evil.example)",
        ),
        ("<mailto:ana@a.example|ana@a.example>", "ana@a.example"),
        ("<@U012AB3CD>", "@U012AB3CD"),
        ("<@U012AB3CD|ana>", "@ana"),
        ("<#C012AB3CD|general>", "#general"),
        ("<!here> <!channel|channel>", "@here @channel"),
        ("<!subteam^SAZ94GDB8|@ops>", "@ops"),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ("*bold* `code` :tada:", "*bold* `code` :tada:"),
        ("if a <b> c <> d", "if a <b> c <> d"),
        ("1 < 2 > 0", "1 < 2 > 0"),
    ],
)
def test_slacks_marks_are_spelled_out(marked: str, plain: str) -> None:
    assert rendered(marked) == plain


def test_attachments_alone_are_enough() -> None:
    attachment = {
        "fallback": "not shown",
        "color": "#ff0000",
        "pretext": "Deploy",
        "author_name": "ci",
        "author_icon": "https://icons.example/a.png",
        "title": "web &gt; 42",
        "title_link": "https://ci.example/42",
        "text": "Failed in <https://ci.example/42/log|the log>",
        "fields": [{"title": "Branch", "value": "main", "short": True}, {"value": 7}, None],
        "image_url": "https://images.example/i.png",
        "footer": "by ci",
        "ts": 123456789,
    }

    assert text({"attachments": [attachment, None]}) == (
        "Deploy\nci\nweb > 42 (https://ci.example/42)\n"
        "Failed in the log (https://ci.example/42/log)\nBranch: main\n7\nby ci"
    )


def test_a_fallback_stands_in_for_an_attachment_that_says_nothing_else() -> None:
    assert text({"attachments": [{"fallback": "A chart.", "image_url": "https://x.example"}]}) == (
        "A chart."
    )


def test_text_comes_before_attachments() -> None:
    assert text({"text": "one", "attachments": [{"text": "two"}]}) == "one\ntwo"


def test_blocks_are_said_instead_of_the_text() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Release &amp; <notes>"}},
        {"type": "divider"},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "see <https://a.example|this>"},
            "fields": [{"type": "mrkdwn", "text": "*A*"}, {"type": "mrkdwn", "text": "B"}],
            "accessory": {"type": "button", "text": {"type": "plain_text", "text": "no"}},
        },
        {
            "type": "context",
            "elements": [
                {"type": "image", "image_url": "https://i.example", "alt_text": "a cat"},
                {"type": "mrkdwn", "text": "now"},
            ],
        },
        {"type": "image", "image_url": "https://i.example", "alt_text": "a chart"},
        {"type": "actions", "elements": [{"type": "button"}]},
        {"type": "of tomorrow"},
    ]

    assert text({"text": "in short", "blocks": blocks}) == (
        "Release & <notes>\nsee this (https://a.example)\n*A*\nB\na cat · now\na chart"
    )


def test_rich_text_reads_as_its_author_saw_it() -> None:
    def section(*elements: Any, kind: str = "rich_text_section") -> dict[str, Any]:
        return {"type": kind, "elements": list(elements)}

    def said(words: str) -> dict[str, Any]:
        return {"type": "text", "text": words, "style": {"bold": True}}

    blocks = [
        section(
            section(
                said("Hello "),
                {"type": "user", "user_id": "U1"},
                said(" "),
                {"type": "emoji", "name": "wave", "unicode": "1f44b"},
                {"type": "emoji", "name": "own"},
                {"type": "link", "url": "https://a.example", "text": "here"},
                said(" <b>&amp;"),
            ),
            section(section(said("one")), section(said("two")), kind="rich_text_list")
            | {"style": "ordered"},
            section(section(said("dot")), kind="rich_text_list") | {"style": "bullet", "indent": 1},
            section(said("a\nb"), kind="rich_text_quote"),
            section(said("x = 1"), kind="rich_text_preformatted"),
            kind="rich_text",
        )
    ]

    assert text({"blocks": blocks}) == (
        "Hello @U1 👋:own:here (https://a.example) <b>&amp;\n1. one\n2. two\n"
        "  • dot\n> a\n> b\nx = 1"
    )


def test_blocks_that_say_nothing_leave_the_word_to_the_text() -> None:
    assert text({"text": "in short", "blocks": [{"type": "divider"}]}) == "in short"


def test_a_table_is_rows_of_cells() -> None:
    cell = {"type": "raw_text", "text": "a"}
    assert text({"blocks": [{"type": "table", "rows": [[cell, cell], [cell]]}]}) == "a | a\na"


def test_channel_icon_and_images_are_ignored_and_the_username_is_a_label() -> None:
    found = brought(
        {
            "text": "x",
            "channel": "#elsewhere",
            "username": "Deploy bot",
            "icon_url": "https://icons.example/a.png",
            "icon_emoji": ":ghost:",
            "props": {"card": "y"},
        }
    )

    assert found == Brought(text="x", label="Deploy bot")


@pytest.mark.parametrize("name", ["", None, "  ", "a\u202eb", "x" * 81, "zero\u200bwidth"])
def test_a_name_that_could_not_be_shown_is_no_label(name: str | None) -> None:
    assert label_of(name) is None


def test_a_label_is_one_clean_line() -> None:
    assert label_of("  Deploy   bot ") == "Deploy bot"


def _alert(instance: str, status: str = "firing", **annotations: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "Down", "cluster": "a", "severity": "page", "instance": instance},
        "annotations": {"summary": "Not reachable", **annotations},
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": "c0ffee",
    }


def _group(*alerts: dict[str, Any], status: str = "firing", **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="Down"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "cloison",
        "groupLabels": {"alertname": "Down", "cluster": "a"},
        "commonLabels": {"alertname": "Down", "cluster": "a", "severity": "page"},
        "commonAnnotations": {"summary": "Not reachable"},
        "externalURL": "http://alertmanager.example",
        "alerts": list(alerts),
        **more,
    }


def test_alertmanagers_groups_are_a_headline_and_a_line_an_alert() -> None:
    group = _group(
        _alert("web1", description="for 5 min"), _alert("web2", "resolved"), truncatedAlerts=3
    )

    assert text(group) == (
        "[FIRING:1] Down (cluster=a, severity=page)\nNot reachable\n"
        "• for 5 min (instance=web1)\n• [RESOLVED] (instance=web2)\n… and 3 more"
    )


def test_a_resolved_group_says_so() -> None:
    group = _group(_alert("web1", "resolved"), status="resolved")

    assert text(group).startswith("[RESOLVED] Down (cluster=a, severity=page)\n")


def _push(**more: Any) -> dict[str, Any]:
    commits = [
        {
            "id": f"{n:040x}",
            "message": f"Change {n}\n\nWhy.",
            "author": {"name": "Ana", "email": "ana@a.example"},
        }
        for n in range(12)
    ]
    return {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": "1" * 40,
        "repository": {"full_name": "acme/web", "private": True},
        "pusher": {"name": "ana"},
        "sender": {"login": "ana"},
        "created": False,
        "deleted": False,
        "forced": False,
        "compare": "https://git.example/compare",
        "commits": commits,
        **more,
    }


def test_a_push_lists_its_first_commits_and_no_address_of_anybody() -> None:
    found = brought(_push(), x_github_event="push", x_github_delivery="d-1")

    lines = found.text.splitlines()
    assert lines[0] == "[acme/web] ana pushed 12 commits to main"
    assert lines[1] == "• 0000000 Change 0 (Ana)"
    assert lines[-2:] == ["… and 2 more", "https://git.example/compare"]
    assert "ana@" not in found.text
    assert found.key == "github d-1"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"commits": [], "created": True}, "[acme/web] ana created main"),
        ({"commits": [], "deleted": True}, "[acme/web] ana deleted main"),
        ({"commits": []}, "[acme/web] ana pushed to main"),
        ({"commits": [], "ref": "refs/tags/v1", "created": True}, "[acme/web] ana created tag v1"),
    ],
)
def test_branches_and_tags_come_and_go(more: dict[str, Any], said: str) -> None:
    assert text(_push(**more), x_github_event="push") == said


ISSUE = {"number": 7, "title": "It leaks", "html_url": "https://git.example/7", "body": "long"}


@pytest.mark.parametrize(
    ("event", "more", "said"),
    [
        ("issues", {"issue": ISSUE, "action": "opened"}, "ana opened issue #7: It leaks"),
        (
            "issue_comment",
            {"issue": ISSUE, "action": "created", "comment": {"html_url": "https://git.example/7"}},
            "ana commented on issue #7: It leaks",
        ),
        (
            "pull_request",
            {"pull_request": ISSUE, "action": "ready_for_review"},
            "ana ready for review pull request #7: It leaks",
        ),
    ],
)
def test_forges_tell_what_happened_to_an_issue(event: str, more: Any, said: str) -> None:
    document = {"repository": {"full_name": "acme/web"}, "sender": {"login": "ana"}, **more}
    expected = f"[acme/web] {said}\nhttps://git.example/7"

    assert text(document, x_github_event=event) == expected
    assert text(document, x_gitea_event=event, x_github_event=event) == expected
    assert text(form(payload=json.dumps(document)), FORM, x_github_event=event) == expected


def test_an_event_that_nobody_here_knows_is_told_by_its_name() -> None:
    document = {"repository": {"full_name": "a/b"}, "sender": {"login": "ana"}, "action": "created"}

    assert text(document, x_github_event="star") == "[a/b] ana: star created"
    assert text({"zen": "Be."}, x_github_event="ping") == "The webhook is set up."


def test_gitea_signs_as_itself_first() -> None:
    found = brought(
        _push(compare=None, compare_url="https://gitea.example/c", total_commits=40),
        x_gitea_event="push",
        x_gitea_delivery="d-2",
        x_github_event="push",
        x_github_delivery="d-2",
    )

    assert found.text.startswith("[acme/web] ana pushed 40 commits to main\n")
    assert found.text.endswith("… and 30 more\nhttps://gitea.example/c")
    assert found.key == "gitea d-2"


EVENT = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/sensors/3",
    "type": "org.example.warm",
    "subject": "room 5",
    "datacontenttype": "application/json",
    "data": {"celsius": 31, "où": "ici"},
}
SAID = 'org.example.warm from /sensors/3 (room 5)\n{\n  "celsius": 31,\n  "où": "ici"\n}'


@pytest.mark.parametrize("kind", ["application/cloudevents+json; charset=utf-8", JSON, None])
def test_a_structured_cloud_event_is_its_envelope_and_its_data(kind: str | None) -> None:
    found = brought(EVENT, kind)

    assert found == Brought(text=SAID, key="cloudevents /sensors/3 A-1")


def test_a_binary_cloud_event_reads_the_same() -> None:
    context = {
        f"ce_{name}": str(EVENT[name]).replace(" ", "%20")
        for name in ("specversion", "id", "source", "type", "subject")
    }

    as_json = brought(EVENT["data"], JSON, **context)
    as_text = brought("warm", "text/plain", **context)

    assert as_json == Brought(text=SAID, key="cloudevents /sensors/3 A-1")
    assert as_text.text == "org.example.warm from /sensors/3 (room 5)\nwarm"


def test_a_notice_is_a_title_above_a_message() -> None:
    notice = {"version": "1.0", "title": "Backup", "message": "done", "type": "success"}
    fields = {name: str(value) for name, value in notice.items()}

    assert (
        text(notice) == text(form(**fields), FORM) == text(*multipart(**fields)) == "Backup\ndone"
    )


def test_what_is_too_long_is_cut_where_a_body_ends() -> None:
    long = fitted(" " + "é" * 20_000)

    assert len(long) == BODY_CHARS_MAX
    assert long.endswith("é…")
    assert fitted("x" * BODY_CHARS_MAX) == "x" * BODY_CHARS_MAX


def test_a_text_can_be_encoded_whatever_the_escapes_were() -> None:
    assert fitted(text('{"text": "\\ud83d alone"}')) == "? alone"


@given(st.text(min_size=1))
def test_any_key_makes_a_client_id(key: str) -> None:
    made = client_id_of(key)

    assert made is not None
    assert client_id_of(key) == made != client_id_of(key + "x")
    pattern = ClientId.__metadata__[0].pattern  # type: ignore[attr-defined]  # of Annotated
    assert re.fullmatch(pattern, made)
    assert 8 <= len(made) <= 64
