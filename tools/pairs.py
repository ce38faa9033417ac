"""Pairs: which reply answers which command, unless it is refused.

Beside the dispatch table, which says who answers but not with what. Invariant: every command of
the protocol stands here once (a test compares), so that none goes undocumented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.protocol import commands, replies

REPLIES: Final[Mapping[type[commands.Command], type[replies.Reply]]] = {
    commands.Hello: replies.Welcome,
    commands.ListSpheres: replies.Spheres,
    commands.Subscribe: replies.Subscribed,
    commands.Unsubscribe: replies.Done,
    commands.Post: replies.Posted,
    commands.GetHistory: replies.Page,
    commands.Create: replies.Inside,
    commands.Configure: replies.Done,
    commands.Invite: replies.Done,
    commands.InviteVisitor: replies.InvitationToken,
    commands.Decline: replies.Done,
    commands.Join: replies.Inside,
    commands.Leave: replies.Left,
    commands.Remove: replies.Done,
    commands.Appoint: replies.Done,
    commands.Bequeath: replies.Done,
    commands.Oversee: replies.Overview,
    commands.Enter: replies.Inside,
    commands.InstallConnector: replies.ConnectorToken,
    commands.RevokeConnector: replies.Done,
    commands.SayTyping: replies.Done,
    commands.Appear: replies.Done,
    commands.Rename: replies.Done,
    commands.Describe: replies.Done,
    commands.GetMyProfile: replies.MyProfile,
    commands.GetProfile: replies.Profile,
    commands.SearchDirectory: replies.Directory,
    commands.ListSessions: replies.Sessions,
    commands.EndSession: replies.Done,
    commands.Ask: replies.Done,
    commands.GetRequests: replies.Requests,
    commands.Refuse: replies.Done,
    commands.Uninvite: replies.Done,
    commands.StepDown: replies.Done,
    commands.GetJournal: replies.Journal,
    commands.Converse: replies.Conversing,
    commands.Prefer: replies.Done,
    commands.ListMembers: replies.Members,
    commands.InviteMember: replies.InvitationToken,
    commands.ListInvitations: replies.Invitations,
    commands.WithdrawInvitation: replies.Done,
    commands.ChangeRole: replies.Done,
    commands.Disable: replies.Done,
    commands.Enable: replies.Done,
    commands.Dismiss: replies.Done,
    commands.GetPolicies: replies.Policies,
    commands.SetPolicies: replies.Policies,
    commands.ListConnectors: replies.Connectors,
    commands.Edit: replies.Done,
    commands.Delete: replies.Done,
    commands.React: replies.Done,
    commands.MarkRead: replies.Done,
    commands.Attach: replies.Attaching,
}

#: What answers instead where the command names a private thread.
IN_THREAD: Final[Mapping[type[commands.Command], type[replies.Reply]]] = {
    commands.Subscribe: replies.Listening,
}
