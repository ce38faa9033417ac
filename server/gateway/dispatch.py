"""Dispatch: the table from command to action. Never a chain of ifs.

Invariant: every command of the protocol stands in exactly one of the tables (a test compares).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from server.channels import (
    arrivals,
    attachments,
    connectors,
    departures,
    governance,
    guests,
    messages,
    presence,
    profiles,
    reactions,
    reading,
    reads,
    requests,
    spheres,
    threads,
)
from server.channels.outcome import Outcome, Request
from server.channels.reading import Answer
from server.protocol import commands
from server.protocol.replies import Reply
from storage.database import Transaction

#: Actions that change something: through the writer, one transaction each.
WRITES: Final[Mapping[type[commands.Command], Callable[[Transaction, Request[Any]], Outcome]]] = {
    commands.Create: spheres.create,
    commands.Configure: spheres.configure,
    commands.Invite: arrivals.invite,
    commands.InviteVisitor: guests.invite,
    commands.Decline: arrivals.decline,
    commands.Join: arrivals.join,
    commands.Enter: arrivals.enter,
    commands.Appoint: arrivals.appoint,
    commands.Leave: departures.leave,
    commands.Remove: departures.remove,
    commands.Bequeath: departures.bequeath,
    commands.InstallConnector: connectors.install,
    commands.RevokeConnector: connectors.revoke,
    commands.Rename: profiles.rename,
    commands.Describe: profiles.describe,
    commands.Appear: presence.appear,
    commands.Ask: requests.ask,
    commands.Refuse: requests.refuse,
    commands.Uninvite: arrivals.uninvite,
    commands.StepDown: arrivals.step_down,
    commands.Converse: threads.converse,
    commands.Prefer: threads.prefer,
    commands.InviteMember: governance.invite,
    commands.WithdrawInvitation: governance.withdraw,
    commands.ChangeRole: governance.change_role,
    commands.Disable: governance.disable,
    commands.Enable: governance.enable,
    commands.Dismiss: governance.dismiss,
    commands.Edit: messages.edit,
    commands.Delete: messages.delete,
    commands.React: reactions.react,
    commands.MarkRead: reads.mark,
    commands.Attach: attachments.attach,
}

#: Questions to a sphere by who is inside: one snapshot, and the hub is asked before it is told.
INSIDE: Final[Mapping[type[commands.Command], Callable[[Transaction, Request[Any]], Answer]]] = {
    commands.GetRequests: requests.listing,
    commands.GetJournal: reading.records,
}

#: Questions whose answer holds no content: one snapshot of the store.
READS: Final[Mapping[type[commands.Command], Callable[[Transaction, Request[Any]], Reply]]] = {
    commands.Oversee: spheres.oversee,
    commands.GetMyProfile: profiles.mine,
    commands.ListMembers: governance.listing,
    commands.ListInvitations: governance.invitations,
    commands.GetPolicies: governance.demands,
    commands.ListConnectors: governance.bots,
}
