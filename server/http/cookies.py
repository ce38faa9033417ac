"""Cookies: the session cookie, for browsers.

Strictly necessary, set by a sign-in that asks for it and by nothing else. No script reads it, no
other site sends it, and it does not outlive its session. Its name is ``presented.cookie_name``'s to
choose.
"""

from __future__ import annotations

from starlette.responses import Response

from server.auth.presented import SECURE_COOKIE


def set_cookie(response: Response, name: str, token: str, *, max_age_s: int) -> None:
    """Have the browser keep ``token`` for at most ``max_age_s``."""
    response.set_cookie(
        name,
        token,
        max_age=max_age_s,
        path="/",
        secure=name == SECURE_COOKIE,
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response, name: str) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(
        name, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="strict"
    )
