"""Routes: which endpoint answers where."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route

from server.auth.accounts import Accounts
from server.http.accounts import AccountEndpoints
from server.http.admission import AdmissionEndpoint
from server.http.health import Readiness, Ready, alive
from server.http.second_factor import SecondFactorEndpoints


def routes(
    accounts: Accounts, ready: Ready, *, origins: Sequence[str], body_bytes_max: int
) -> list[Route]:
    """Return the routes of accounts and of health; wrap what serves them in ``refusals.Guard``."""
    endpoints = AccountEndpoints(accounts, origins=origins, body_bytes_max=body_bytes_max)
    admission = AdmissionEndpoint(accounts, origins=origins, body_bytes_max=body_bytes_max)
    factor = SecondFactorEndpoints(accounts, origins=origins, body_bytes_max=body_bytes_max)
    return [
        Route("/v1/second-factor", factor.draw, methods=["POST"]),
        Route("/v1/second-factor/confirm", factor.confirm, methods=["POST"]),
        Route("/v1/second-factor/drop", factor.drop, methods=["POST"]),
        Route("/v1/accept", admission.accept, methods=["POST"]),
        Route("/v1/sign-in", endpoints.sign_in, methods=["POST"]),
        Route("/v1/sign-out", endpoints.sign_out, methods=["POST"]),
        Route("/v1/password", endpoints.change_password, methods=["POST"]),
        Route("/healthz", alive),
        Route("/readyz", Readiness(ready).answer),
    ]
