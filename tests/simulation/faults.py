"""What goes wrong: one thing after the other, drawn from the kinds a plan has."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.world import World

HOUR_MS = 3_600_000
BACK_MS_MAX = 20_000
"""Where everything is counted by one clock, nothing is due before it is there again."""


class Faults:
    """Happens to a world until it heals."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = Random(f"{world.plan.seed} faults")
        kinds: dict[str, Callable[[], None]] = {
            "servers_crash": self._server_crashes,
            "servers_restart": self._server_restarts,
            "servers_freeze": self._server_freezes,
            "agents_crash": self._agent_crashes,
            "agents_freeze": self._agent_freezes,
            "agents_drain": self._agent_drains,
            "keepers_crash": self._keeper_crashes,
            "runs_crash": self._run_crashes,
            "partitions": self._partition,
            "database_away": self._database_goes,
            "clocks_wrong": self._clock_is_set,
            "phones_fail": self._phone_fails,
        }
        self._kinds = [act for kind, act in kinds.items() if world.plan.has(kind)]
        if world.plan.has("clocks_wrong"):
            self._clock_is_set()
        self._wait()

    def _wait(self) -> None:
        if self._kinds:
            pause_s = self._random.expovariate(1 / self._world.plan.pauses_s)
            self._world.timeline.world.call_later(pause_s, self._happen)

    def _happen(self) -> None:
        if not self._world.healing:
            self._random.choice(self._kinds)()
            self._wait()

    def _server_crashes(self) -> None:
        servers = self._world.servers()
        if servers:
            self._random.choice(servers).crash()

    def _server_restarts(self) -> None:
        servers = self._world.servers()
        if servers:
            self._random.choice(servers).end()

    def _server_freezes(self) -> None:
        servers = self._world.servers()
        if servers:
            server = self._random.choice(servers)
            seconds = self._random.random() * 8
            self._world.note(f"{server.name} is stopped for {seconds:.1f} s")
            server.node.stop(seconds)
            self._world.judge.disturbed(seconds)

    def _agent_crashes(self) -> None:
        random, world = self._random, self._world
        orphans = random.random() < 0.3 and not world.plan.roaming
        random.choice(world.machines).crash(
            keepers_too=random.random() < 0.4, orphans=orphans, power=random.random() < 0.2
        )

    def _agent_freezes(self) -> None:
        machine = self._random.choice(self._world.machines)
        if machine.node is not None:
            seconds = self._random.random() * 4 * self._world.plan.lease_ms / 1000
            self._world.note(f"{machine.node.name} is stopped for {seconds:.1f} s")
            machine.node.stop(seconds)

    def _agent_drains(self) -> None:
        machine = self._random.choice(self._world.machines)
        if machine.node is not None and machine.agent is not None:
            self._world.note(f"{machine.node.name} drains")
            machine.drains = True
            machine.node.context.run(machine.agent.drain)

    def _keeper_crashes(self) -> None:
        nursery = self._random.choice(self._world.machines).nursery
        living = nursery.living() if nursery else []
        if living:
            keeper = self._random.choice(living)
            self._world.note(f"{keeper.node.name} is killed")
            keeper.die()

    def _run_crashes(self) -> None:
        nursery = self._random.choice(self._world.machines).nursery
        working = nursery.working() if nursery else []
        if working:
            self._random.choice(working).crash_run()

    def _partition(self) -> None:
        world, random = self._world, self._random
        hosts = [machine.name for machine in world.machines]
        people = [person.name for person in world.people]
        places = [place.name for place in world.network.places]
        some = random.sample(places, random.randint(1, len(places)))
        some = some if random.random() < 0.4 else places
        host = random.choice(hosts if random.random() < 0.8 else people)
        pairs = {(host, place) for place in some} - world.network.cut
        seconds = random.random() * 4 * world.plan.lease_ms / 1000
        world.note(f"{host} is cut off from {', '.join(some)} for {seconds:.1f} s")
        world.network.cut |= pairs
        world.timeline.world.call_later(seconds, world.network.cut.difference_update, pairs)

    def _database_goes(self) -> None:
        if self._world.plan.shared:
            seconds = self._random.random() * 6
            self._world.note(f"the database is away for {seconds:.1f} s")
            self._world.database.go_away(seconds)

    def _clock_is_set(self) -> None:
        """Of one server. Where leases are counted by it, two agents must not share a phone."""
        world = self._world
        if world.plan.roaming and not world.plan.shared:
            return
        place = self._random.choice(world.network.places)
        most_ms = self._random.choice((500, 20_000, HOUR_MS))
        before_ms = world.clocks_ms.get(place.name, 0)
        least_ms = -most_ms if world.plan.shared else max(-most_ms, before_ms - BACK_MS_MAX)
        world.clocks_ms[place.name] = self._random.randint(least_ms, max(least_ms, most_ms))
        world.note(f"the clock of {place.name} is {world.clocks_ms[place.name]} ms ahead")
        world.judge.disturbed(0.0)

    def _phone_fails(self) -> None:
        machine = self._random.choice(self._world.machines)
        phone = self._random.choice(machine.cabinet.phones)
        if self._random.random() < 0.5:
            phone.gone = True
            machine.cabinet.changed()
        else:
            phone.hung = True
        self._world.note(f"phone {phone.phone_id} fails")
        seconds = self._random.random() * 10
        self._world.timeline.world.call_later(seconds, self._world.mend_phones)
