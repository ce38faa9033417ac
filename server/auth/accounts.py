"""Accounts: what people may do about who they are, as the floors above call it.

Joins the flows of this package with the store, the clock and the live sessions. Invariant: when a
method returns, every session that it ended is ended in the store, and told to whoever listens: its
sockets here are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server import errors
from server.auth import change_password, enrolment, sign_in, tokens
from server.auth.admission import Acceptance, Admitter
from server.auth.live import LiveSessions
from server.auth.passwords import Passwords
from server.auth.proof import Claim, Prover
from server.auth.sign_in import SignedIn
from server.auth.throttle import Throttle
from server.clock import Clock
from storage import admissions, errands, sessions
from storage.accounts import Credential
from storage.database import Database, Transaction
from storage.sessions import Session

#: How long the rows of dead sessions are kept: well beyond the longest delay of a note of activity,
#: so that no living session is swept.
SWEEP_AFTER_MS = 3_600_000


class Accounts:
    """Signs in and out, changes passwords, recognises tokens.

    ``ended`` tells every node which sessions are over.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        passwords: Passwords,
        throttle: Throttle,
        live: LiveSessions,
        ended: Callable[[Sequence[str]], None],
        invitations_per_sphere_max: int = 1_000,
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._prover = Prover(database, passwords, throttle, clock)
        self._admitter = Admitter(
            database,
            passwords,
            throttle,
            invitations_per_sphere_max=invitations_per_sphere_max,
        )
        self._live = live
        self._ended = ended

    async def sign_in(self, claim: Claim, *, replaced: str | None = None) -> SignedIn:
        """Open a session; ``replaced`` is the token of the session that the client had, if any.

        Raises SignInRefused, PasswordExpired, TooFast, Busy, StorageUnavailable.
        """
        proved = await self._prover.prove(claim)
        rehashed = None
        if self._passwords.needs_rehash(proved.password_hash):
            rehashed = await self._passwords.hash(claim.password)
        signed_in = await self._database.write(
            sign_in.open_session,
            claim=claim,
            proved=proved,
            rehashed=rehashed,
            replaced=replaced,
            now=self._clock.now(),
        )
        self._tell(signed_in.ended)
        return signed_in

    async def sign_out(self, token: str) -> None:
        """End the session of a token, on all its connections.

        Raises NotAuthenticated when there is no such session.
        """
        session = await self._find(token)
        if not await self._database.write(sessions.end, session.id):
            raise errors.NotAuthenticated
        self._tell([session.id])

    async def prove(self, claim: Claim) -> Credential:
        """Return the credential that ``claim`` proves; whether it expired is the caller's to ask.

        Raises SignInRefused, TooFast, Busy, StorageUnavailable.
        """
        return await self._prover.prove(claim)

    async def draw_second_factor(self, claim: Claim) -> str:
        """Draw the secret of a second factor, not yet in force; return it. Raises Conflict."""
        proved = await self._prover.prove(claim)
        return await self._database.write(enrolment.draw, claim, proved)

    async def confirm_second_factor(self, claim: Claim, code: str) -> list[str]:
        """Put the factor that was drawn in force, and return recovery codes. Raises Conflict.

        Every session of the account is over: a password alone had opened it.
        """
        proved = await self._prover.prove(claim)
        now = self._clock.now()
        confirmed = await self._database.write(enrolment.confirm, claim, proved, code, now)
        self._tell(confirmed.ended)
        return confirmed.recovery_codes

    async def drop_second_factor(self, claim: Claim) -> None:
        """Do without a second factor again. Raises NotAllowed where one is required."""
        proved = await self._prover.prove(claim)
        await self._database.write(enrolment.drop, claim, proved)

    async def change_password(self, claim: Claim, new_password: str) -> None:
        """Replace the password that ``claim`` proves, and end the account's sessions.

        Raises SignInRefused, PasswordRefused, TooFast, Busy, StorageUnavailable.
        """
        proved = await self._prover.prove(claim)
        change_password.check_differs(claim.password, new_password)
        policy, former = await self._database.read(change_password.demands, proved.id)
        password_hash = await change_password.new_hash(
            self._passwords,
            new_password,
            policy,
            personal=change_password.personal_words(proved),
        )
        await change_password.check_not_used(self._passwords, new_password, former)
        ended = await self._database.write(
            change_password.set_password,
            claim=claim,
            proved=proved,
            password_hash=password_hash,
            now=self._clock.now(),
        )
        self._tell(ended)

    async def accept(self, acceptance: Acceptance) -> str:
        """Make whoever was invited a member; return the handle of the organisation to sign in to.

        Raises InvitationRefused, SecondFactorNeeded, SecondFactorRefused, PasswordRefused,
        InvalidField, Conflict, TooFast, Busy, StorageUnavailable.
        """
        return await self._admitter.admit(acceptance, self._clock.now())

    async def recognise(self, token: str) -> Session:
        """Return the session of a token, alive now; attach it to open a socket.

        Raises NotAuthenticated, StorageUnavailable.
        """
        session = await self._find(token)
        self._live.check_alive(session, self._clock.now())
        return session

    async def note_seen(self) -> None:
        """Note in the store when sessions were last seen. Raises StorageUnavailable."""
        seen = self._live.dirty()
        if seen:
            await self._database.write(sessions.seen, seen)
        self._live.noted(seen)

    async def sweep(self) -> int:
        """Delete what is long over; return how many sessions. Raises StorageUnavailable."""
        return await self._database.write(_sweep, self._clock.now())

    async def _find(self, token: str) -> Session:
        if not tokens.may_be_session(token):
            raise errors.NotAuthenticated
        session = await self._database.read(sessions.by_digest, tokens.digest(token))
        if session is None:
            raise errors.NotAuthenticated
        return session

    def _tell(self, ended: Sequence[str]) -> None:
        if ended:
            self._ended(ended)


def _sweep(tx: Transaction, now: int) -> int:
    """Delete dead sessions, invitations that expired, and errands that nobody waits for."""
    admissions.sweep(tx, before=now)
    errands.sweep(tx, before=now - SWEEP_AFTER_MS)
    return sessions.sweep(tx, before=now - SWEEP_AFTER_MS)
