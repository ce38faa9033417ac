"""Web: the few HTTP calls: signing in and out, changing a password, bringing something in.

Synchronous, and with nothing but the standard library: a caller with an event loop uses a thread.
Redirections are not followed, nor proxies asked: a password goes to the server that was named and
nowhere else. Invariant: an answer is the parsed body of a success, and anything else a Failure.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from clients.failures import Refused, Unreachable
from clients.reconnection import Backoff, failure_of_status, reason_of

T = TypeVar("T")

#: Seconds without a byte. A sign-in hashes a password, maybe behind a queue of others.
WAIT: Final = 30.0
#: The longest answer that is read, in bytes: ours are of a few hundred.
_ANSWER_BYTES_MAX: Final = 65_536
_SUCCESSES: Final = range(200, 300)


def sign_in(
    server: str, organisation: str, address: str, password: str, replaced: str | None = None
) -> dict[str, Any]:
    """Open a session, in place of the one whose token is ``replaced``; return what it is for."""
    fields = {"organisation": organisation, "address": address, "password": password}
    return _call(server, "/v1/sign-in", fields, replaced)


def sign_out(server: str, token: str) -> None:
    """End a session on every connection."""
    _call(server, "/v1/sign-out", {}, token)


def change_password(
    server: str, organisation: str, address: str, password: str, new_password: str
) -> None:
    """Change a password, even one that expired; every session of the account ends."""
    fields = {"organisation": organisation, "address": address}
    secrets = {"password": password, "new_password": new_password}
    _call(server, "/v1/password", fields | secrets)


def accept(server: str, invitation: str, address: str, name: str, password: str) -> str:
    """Accept an invitation; return the handle of the organisation to sign in to."""
    fields = {"invitation": invitation, "address": address}
    answer = _call(server, "/v1/accept", fields | {"name": name, "password": password})
    return str(answer["organisation"])


def bring(server: str, token: str, body: str, client_id: str) -> None:
    """Bring a text into a connector's sphere: nothing comes back."""
    _call(server, "/v1/bring", {"body": body, "client_id": client_id}, token)


def persist(
    call: Callable[[], T],
    backoff: Backoff,
    patience: float,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call until it succeeds, is refused for good, or ``patience`` (seconds) would be over."""
    waited = 0.0
    while True:
        try:
            return call()
        except (Refused, Unreachable) as failure:
            delay = backoff.delay(failure.retry_after)
            temporary = isinstance(failure, Unreachable) or failure.temporary
            if not temporary or waited + delay > patience:
                raise
            if not waited:
                tell(f"{failure.message} Trying again")
        sleep(delay)
        waited += delay


def _call(
    server: str, path: str, fields: dict[str, str], token: str | None = None
) -> dict[str, Any]:
    parts = urlsplit(server)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=WAIT)
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("POST", parts.path + path, json.dumps(fields).encode(), headers)
        answer = connection.getresponse()
        body = answer.read(_ANSWER_BYTES_MAX)
    except (OSError, HTTPException) as error:
        raise Unreachable(f"Cannot reach {server}: {reason_of(error)}.") from error
    finally:
        connection.close()
    if answer.status in _SUCCESSES:
        return _parsed(body)
    refusal = _parsed(body).get("error")
    if isinstance(refusal, dict) and "code" in refusal:
        raise Refused(refusal)
    retry_after = answer.headers.get("Retry-After")
    raise failure_of_status(answer.status, retry_after, body.decode(errors="replace"))


def _parsed(body: bytes) -> dict[str, Any]:
    # A success may have no body (204) or a constant one (bring): then there is nothing to return.
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
