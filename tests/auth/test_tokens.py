from __future__ import annotations

import base64
import hashlib

import pytest

from server.auth import tokens


def test_a_token_is_256_random_bits_behind_a_prefix_that_says_what_it_opens() -> None:
    session, connector = tokens.new_session_token(), tokens.new_connector_token()

    assert session.startswith("cls_")
    assert connector.startswith("clc_")
    for token in (session, connector):
        assert len(base64.urlsafe_b64decode(token[4:] + "=")) == 32


def test_no_token_is_drawn_twice() -> None:
    assert len({tokens.new_session_token() for _ in range(1000)}) == 1000


def test_a_digest_is_sha_256() -> None:
    assert tokens.digest("cls_x") == hashlib.sha256(b"cls_x").digest()


def test_any_text_has_a_digest() -> None:
    assert len(tokens.digest("\ud800 no token")) == 32


def test_what_has_not_the_shape_of_a_session_token_is_told_apart() -> None:
    assert tokens.may_be_session(tokens.new_session_token())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "cls_",
        "clc_" + "x" * 43,
        "cls_" + "x" * 43 + "\n",
        "cls_" + "é" * 43,
    ],
)
def test_other_text_is_no_session_token(token: str) -> None:
    assert not tokens.may_be_session(token)
