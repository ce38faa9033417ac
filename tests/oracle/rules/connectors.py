"""Connectors: bots bring in, and nothing comes out (promise 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.model.people import Connection, Frame
from tests.oracle.model.sphere import Connector, Sphere
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.departures import kill
from tests.oracle.rules.vocabulary import Act, Answer, Command, Deed, Draw, Propose, Step
from tests.oracle.unknown import Unknown, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk


def install(world: World, me: Connection, asked: Frame) -> Frame:
    """Draw a token, and tell the members."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    bot = Connector(Unknown("id"), Unknown("token"), asked["name"], me.member)
    sphere.connectors.append(bot)
    world.append(sphere, "connector_installed", {"connector": bot.view()})
    return {"type": "connector_token", "connector": bot.view(), "token": bot.token}


def revoke(world: World, me: Connection, asked: Frame) -> Frame:
    """Kill a token: of this sphere, or as a manager of any."""
    for sphere, bot in _in_reach(world, me, asked):
        if plain(bot.id) == asked["connector"] and not bot.dead:
            kill([bot])
            named = {"connector": bot.id, "by": me.member.id}
            world.append(sphere, "connector_revoked", named)
            return {"type": "done"}
    raise Refusal("not_found")


def _in_reach(world: World, me: Connection, asked: Frame) -> list[tuple[Sphere, Connector]]:
    if "sphere" in asked:
        sphere, _ = world.administered(me.member, asked["sphere"])
        return [(sphere, bot) for bot in sphere.connectors]
    if me.member.role != "manager":
        raise Refusal("not_allowed")
    return [(one, bot) for one, bot in world.bots() if one.organisation is me.member.organisation]


async def bring(walk: Walk, asked: Frame) -> None:
    """Let a bot say something over HTTP: the answer is constant."""
    answered = await walk.crowd.call_http(
        "POST",
        "/v1/bring",
        body={name: asked[name] for name in ("body", "client_id") if name in asked},
        headers={"authorization": f"Bearer {asked['token']}"},
    )
    for sphere, bot in walk.world.bots():
        silent = bot.dead or bot.installed_by.disabled
        if plain(bot.token) == asked["token"] and not silent:
            walk.expect(
                "a living bot is told nothing but `accepted`", answered == (202, b"accepted")
            )
            if asked.get("client_id") not in bot.sent:
                said = bot.view() | {"body": asked["body"]}
                walk.world.append(sphere, "connector_posted", said)
            if "client_id" in asked:
                bot.sent.add(asked["client_id"])
            return
    walk.expect("a dead token is refused", answered[0] == 401)
    walk.expect("in the same bytes", walk.constant("dead token", answered[1]))


# -- what may be tried


def _install(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None:
        return None
    sphere = draw.sphere(me.member, administered=draw.chance(0.8))
    return Command(me.key, "install_connector", {"sphere": sphere, "name": draw.name()})


def _revoke(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None:
        return None
    sphere = draw.sphere(me.member, administered=draw.chance(0.8))
    known = [one for one in (plain(bot.id) for _, bot in draw.world.bots()) if isinstance(one, str)]
    bot = draw.rng.choice(known) if known else draw.stranger()
    where = {} if draw.chance(0.3) else {"sphere": sphere}
    return Command(me.key, "revoke_connector", {**where, "connector": bot})


def _bring(draw: Draw) -> Step | None:
    bots = [bot for _, bot in draw.world.bots() if isinstance(plain(bot.token), str)]
    alive = [bot for bot in bots if not bot.dead]
    if not bots:
        return None
    bot = draw.rng.choice(alive if alive and draw.chance(0.8) else bots)
    asked = {"token": plain(bot.token), "body": draw.words()}
    if draw.chance(0.5):
        used = sorted(bot.sent)
        again = used and draw.chance(0.5)
        asked["client_id"] = draw.rng.choice(used) if again else f"bot-{draw.rng.randrange(10**9)}"
    return Deed("bring", asked)


COMMANDS: dict[str, Answer] = {"install_connector": install, "revoke_connector": revoke}
DEEDS: dict[str, Act] = {"bring": bring}
STEPS: list[tuple[float, Propose]] = [(1, _install), (0.7, _revoke), (2.5, _bring)]
