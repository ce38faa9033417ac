from __future__ import annotations

import pytest

from server import errors
from server.auth.presented import (
    LOOPBACK_COOKIE,
    SECURE_COOKIE,
    bearer_token,
    browser_origin,
    check_origin,
    cookie_name,
    presented_token,
)

CONFIGURED = ("https://chat.example",)


def headers(**values: str | list[str]) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(), one.encode("latin-1"))
        for name, value in values.items()
        for one in ([value] if isinstance(value, str) else value)
    ]


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("http", "localhost:8000", "http://localhost:8000"),
        ("ws", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https", "other.example", "https://other.example"),
        ("wss", "other.example:8443", "https://other.example:8443"),
        ("http", "inside:8000", "https://chat.example"),
    ],
)
def test_a_page_from_the_same_place_or_a_configured_one_may_use_the_server(
    scheme: str, host: str, origin: str
) -> None:
    found = check_origin(headers(host=host, origin=origin), scheme=scheme, origins=CONFIGURED)

    assert found == origin


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://chat.example.evil.example",
        "https://evilchat.example",
        "https://chat.example:444",
        "https://chat.example:443",
        "https://chat.example/",
        "https://chat.example ",
        "http://chat.example",
        "https://CHAT.example",
        "HTTPS://chat.example",
        "https://chat.example.",
        "https://chat.xn--example-9d0b",
        "https://ch\u00e4t.example",
        "https://user@chat.example",
        "chat.example",
        "http://localhost:8001",
        "http://localhost",
        "https://localhost:8000",
        "http://LOCALHOST:8000",
        "http://localhost:8000.evil.example",
        "http://",
    ],
)
def test_any_other_spelling_of_an_origin_is_refused(origin: str) -> None:
    carried = headers(host="localhost:8000", origin=origin)

    with pytest.raises(errors.OriginRefused):
        check_origin(carried, scheme="http", origins=CONFIGURED)


@pytest.mark.parametrize("hosts", [[], ["a.example", "a.example"], [""]])
def test_without_exactly_one_host_only_configured_origins_may(hosts: list[str]) -> None:
    with pytest.raises(errors.OriginRefused):
        check_origin(headers(host=hosts, origin="http://a.example"), scheme="http", origins=())
    with pytest.raises(errors.OriginRefused):
        check_origin(headers(host=hosts, origin="http://"), scheme="http", origins=())


def test_two_origins_are_none() -> None:
    twice = headers(host="inside", origin=["https://chat.example", "https://chat.example"])

    with pytest.raises(errors.OriginRefused):
        check_origin(twice, scheme="http", origins=CONFIGURED)


def test_a_request_that_names_no_origin_is_no_browsers() -> None:
    plain = headers(host="localhost:8000")

    assert check_origin(plain, scheme="http", origins=()) is None
    with pytest.raises(errors.OriginRefused):
        browser_origin(plain, scheme="http", origins=())


def test_what_a_proxy_says_about_the_host_is_not_believed() -> None:
    forged = headers(
        host="localhost:8000",
        origin="https://evil.example",
        **{"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"},
    )

    with pytest.raises(errors.OriginRefused):
        check_origin(forged, scheme="http", origins=())


def test_a_cookie_has_the_host_prefix_over_https_and_a_plain_name_on_this_machine() -> None:
    assert cookie_name("https://chat.example") == SECURE_COOKIE == "__Host-cloison"
    assert cookie_name("https://localhost:8000") == SECURE_COOKIE
    for origin in ("http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000"):
        assert cookie_name(origin) == LOOPBACK_COOKIE == "cloison"


@pytest.mark.parametrize(
    "origin", ["http://chat.example", "http://localhost.evil.example", "http://127.0.0.11:80"]
)
def test_plain_http_to_another_machine_gets_no_cookie(origin: str) -> None:
    with pytest.raises(errors.OriginRefused):
        cookie_name(origin)


@pytest.mark.parametrize("value", ["Bearer cls_x", "bearer cls_x", "BEARER  cls_x "])
def test_a_bearer_token_is_read_from_its_header(value: str) -> None:
    assert bearer_token(headers(authorization=value)) == "cls_x"


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "cls_x", ["Bearer a", "Bearer a"]]
)
def test_a_header_that_is_no_bearer_token_is_refused(value: str | list[str]) -> None:
    with pytest.raises(errors.NotAuthenticated):
        bearer_token(headers(authorization=value))


def test_the_header_goes_before_the_cookie() -> None:
    both = headers(
        host="localhost",
        origin="http://localhost",
        authorization="Bearer one",
        cookie="cloison=two",
    )

    found = presented_token(both, scheme="http", origins=())

    assert found is not None
    assert (found.token, found.by_cookie) == ("one", False)
    assert repr(found) == "<Presented by header>"


@pytest.mark.parametrize("cookie", ["cloison=two", "a=b; cloison=two ;c", ["x=y", "cloison=two"]])
def test_a_cookie_counts_with_an_origin_that_may_use_the_server(cookie: str | list[str]) -> None:
    carried = headers(host="localhost", origin="http://localhost", cookie=cookie)

    found = presented_token(carried, scheme="http", origins=())

    assert found is not None
    assert (found.token, found.by_cookie) == ("two", True)
    assert repr(found) == "<Presented by cookie>"


def test_a_cookie_without_an_origin_counts_for_nothing() -> None:
    carried = headers(host="localhost", cookie="cloison=two")

    assert presented_token(carried, scheme="http", origins=()) is None


def test_a_cookie_of_a_foreign_page_is_refused() -> None:
    carried = headers(host="localhost", origin="http://evil.example", cookie="cloison=two")

    with pytest.raises(errors.OriginRefused):
        presented_token(carried, scheme="http", origins=())


@pytest.mark.parametrize(
    "cookie",
    [
        "other=two",
        "cloison=",
        "cloison",
        "Cloison=two",
        "__Host-cloison=two",
        "cloison=a; cloison=b",
        ["cloison=a", "cloison=b"],
    ],
)
def test_a_cookie_that_is_absent_doubled_or_of_another_scheme_is_none(
    cookie: str | list[str],
) -> None:
    carried = headers(host="localhost", origin="http://localhost", cookie=cookie)

    assert presented_token(carried, scheme="http", origins=()) is None


def test_where_no_cookie_is_safe_none_is_read() -> None:
    carried = headers(host="lan:8000", origin="http://lan:8000", cookie="cloison=two")

    assert presented_token(carried, scheme="http", origins=()) is None
