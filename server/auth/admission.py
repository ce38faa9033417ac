"""Admission: from an invitation to a membership, of a new account or of one that there is.

The token and the address that it names prove who was invited; if the address has an account, its
password must be proved too, then its second factor if there is one, and the password must satisfy
the organisation that is joined. Invariant: an
invitation is used up in the transaction that makes the member, and whoever lacks it learns nothing
about any address.
"""

from __future__ import annotations

import msgspec

from server import errors
from server.auth import tokens
from server.auth.change_password import new_hash
from server.auth.passwords import Passwords
from server.auth.second_factor import check_code
from server.auth.throttle import Throttle
from server.domain.naming import check_address, check_name
from server.domain.permission import check_administrator
from server.domain.policy import PasswordPolicy, check_password, strictest
from server.protocol.scalars import MemberRole
from storage import (
    accounts,
    admissions,
    invitations,
    members,
    organisations,
    second_factors,
    spheres,
    stays,
)
from storage.accounts import Account
from storage.admissions import Admission
from storage.database import Database, Transaction


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """Who accepts which invitation, under which name. It does not print."""

    invitation: str
    address: str
    name: str
    password: str
    code: str | None = None  #: of the account's second factor, where there is one
    source: str | None = None

    def __repr__(self) -> str:
        """Hide all of it."""
        return "<Acceptance>"


class _Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a password, and which code was shown with it. It does not print."""

    password_hash: str
    used: int | bytes | None = None

    def __repr__(self) -> str:
        """Hide all of it."""
        return "<_Proof>"


class _Invited(msgspec.Struct, frozen=True, kw_only=True):
    """What an invitation opens, to whom: an account that there is, or a new one."""

    account: Account | None
    policy: PasswordPolicy  #: the strictest of the organisations that the account will have


class Admitter:
    """Makes members of whoever is invited."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        throttle: Throttle,
        *,
        invitations_per_sphere_max: int,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle
        self._invitations_max = invitations_per_sphere_max

    async def admit(self, acceptance: Acceptance, now: int) -> str:
        """Make the invited a member; return the organisation's handle.

        Raises InvitationRefused, SecondFactorNeeded, SecondFactorRefused, PasswordRefused,
        InvalidField, Conflict, TooFast, Busy.
        """
        check_address(acceptance.address)
        check_name(acceptance.name)
        attempt = self._throttle.admit(acceptance.address, acceptance.source)
        try:
            invited = await self._database.read(_invited, acceptance, now)
            proof = await self._proved(acceptance, invited, now)
            handle = await self._database.write(
                _store, acceptance, invited, proof, now, self._invitations_max
            )
        except (errors.InvitationRefused, errors.SecondFactorRefused):
            self._throttle.failed(attempt)
            raise
        except errors.Refusal:
            self._throttle.not_tried(attempt)
            raise
        self._throttle.succeeded(attempt)
        return handle

    async def _proved(self, acceptance: Acceptance, invited: _Invited, now: int) -> _Proof:
        """Prove an account's password, then its code; or hash a new password."""
        password = acceptance.password
        if invited.account is None:
            personal = [acceptance.address, acceptance.address.partition("@")[0]]
            personal += [acceptance.name, *acceptance.name.split()]
            return _Proof(
                password_hash=await new_hash(
                    self._passwords, password, invited.policy, personal=personal
                )
            )
        known = invited.account
        if not await self._passwords.verify(known.password_hash, password):
            raise errors.InvitationRefused
        used = await check_code(self._database, known.id, acceptance.code, now)
        check_password(password, invited.policy)
        return _Proof(password_hash=known.password_hash, used=used)


def draw(tx: Transaction, admission: Admission, *, expires_at: int) -> str:
    """Store an invitation; return its token, which is shown this once."""
    token = tokens.new_invitation_token()
    admissions.offer(tx, admission, digest=tokens.digest(token), expires_at=expires_at)
    return token


def _invited(tx: Transaction, acceptance: Acceptance, now: int) -> _Invited:
    admission = _standing(tx, acceptance, now)
    account = accounts.by_address(tx, acceptance.address)
    joined = organisations.get(tx, admission.organisation)
    assert joined is not None
    policies = [] if account is None else accounts.password_policies(tx, account.id)
    return _Invited(account=account, policy=strictest([*policies, joined.password_policy]))


def _standing(tx: Transaction, acceptance: Acceptance, now: int) -> Admission:
    """Return the admission, if it stands; that of a guest, as long as the host may invite."""
    digest = tokens.digest(acceptance.invitation)
    admission = admissions.find(tx, digest, address=acceptance.address, now=now)
    if admission is None:
        raise errors.InvitationRefused
    if admission.sphere is not None:
        try:
            check_administrator(spheres.standing(tx, admission.sphere, admission.invited_by or ""))
        except errors.Forbidden:
            raise errors.InvitationRefused from None
    return admission


def _store(
    tx: Transaction,
    acceptance: Acceptance,
    invited: _Invited,
    proof: _Proof,
    now: int,
    invitations_max: int,
) -> str:
    admission = _standing(tx, acceptance, now)
    account = accounts.by_address(tx, acceptance.address)
    _check_unchanged(account, invited.account)
    if account is None:
        account = accounts.create(
            tx, address=acceptance.address, password_hash=proof.password_hash, now=now
        )
    second_factors.use(tx, account.id, proof.used)
    member_id = _member(tx, admission, account.id, acceptance.name, now)
    admissions.use(tx, tokens.digest(acceptance.invitation))
    if admission.sphere is not None and stays.one(tx, admission.sphere, member_id) is None:
        assert admission.invited_by is not None
        by = admission.invited_by
        invitations.offer(tx, sphere_id=admission.sphere, member_id=member_id, by=by, now=now)
        invitations.trim(tx, admission.sphere, keep=invitations_max)
    joined = organisations.get(tx, admission.organisation)
    assert joined is not None
    return joined.handle


def _check_unchanged(present: Account | None, proved: Account | None) -> None:
    """Raise InvitationRefused when the account is not the one that was proved, or is new."""
    before, after = (
        None if one is None else (one.id, one.password_set_at) for one in (proved, present)
    )
    if before != after:
        raise errors.InvitationRefused


def _member(tx: Transaction, admission: Admission, account: str, name: str, now: int) -> str:
    """Return the id of the member that the account is, or becomes.

    A guest may be a member already. Raises Conflict for anybody else who is one.
    """
    if admission.role is MemberRole.VISITOR:
        known = members.by_address(tx, admission.organisation, admission.address)
        if known is not None:
            return known.id
    return members.create(
        tx,
        account=account,
        organisation=admission.organisation,
        name=name,
        role=admission.role,
        now=now,
    ).id
