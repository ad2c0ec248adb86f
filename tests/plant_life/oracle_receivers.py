"""What platforms have of the change feed: every change that they may see, exactly as in the feed, in its order.

A platform may see what consents to it and is registered at the moment at which a message is made; so what an enterprise
did before it left may be missed, and nothing else. Signatures and gaps are checked by the receivers themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.plant_life.receivers import Receiver

if TYPE_CHECKING:
    from tests.plant_life.world import World


def platforms_have_the_feed(world: World) -> int:
    """Every platform; gives how many changes were brought, those that came again not counted."""
    feed = world.books.changes()
    for receiver in world.platforms.receivers.values():
        seen = {plant.id for plant in world.plants if receiver.platform in plant.consents}
        due = [row for row in feed if row[0] > receiver.after and row[2] in seen]
        _has(receiver, due, world.unseen_up_to)
    return sum(len(receiver.taken) for receiver in world.platforms.receivers.values())


def _has(receiver: Receiver, due: list[tuple[Any, ...]], unseen_up_to: dict[str, int]) -> None:
    got = [tuple(item[name] for name in ("seq", "kind", "enterprise", "period", "version")) for item in receiver.taken]
    where = f"the platform {receiver.platform}, after {receiver.after}"
    assert [row[0] for row in got] == sorted({row[0] for row in got}), f"{where}: has changes out of order"
    assert not set(got) - set(due), f"{where}: has what the feed does not say: {set(got) - set(due)}"
    missing = [row for row in due if row not in set(got) and row[0] > unseen_up_to.get(row[2], 0)]
    assert not missing, f"{where}: was never told of {missing}"
