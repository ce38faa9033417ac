from __future__ import annotations

from pathlib import Path

from server import errors
from server.channels.outcome import Outcome
from server.channels.posts import BotDraft
from storage import connectors, members
from storage.database import Transaction
from tests.channels.desk import desk


async def test_what_a_bot_brought_in_while_its_installer_was_shut_out_is_refused(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as office:
        ana, bob, sphere = await office.furnished()
        for installer in (ana, bob):
            await office.house.connector(sphere, installer)
        bots = await office.database.read(connectors.of_sphere, sphere)
        drafts = [
            BotDraft(id=number, connector=bot.connector, client_id=None, body="green")
            for number, bot in enumerate(bots)
        ]

        def shut_out(tx: Transaction) -> list[str]:
            return members.set_disabled(tx, member_id=ana.id, disabled=True)

        await office.database.write(shut_out)
        results = [await office.post(draft) for draft in drafts]

    by = {bot.installed_by: result for bot, result in zip(bots, results, strict=True)}
    assert isinstance(by[ana.id], errors.NotAuthenticated)
    assert isinstance(by[bob.id], Outcome)
