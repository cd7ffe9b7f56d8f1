"""PgBouncer's file: taken by a real PgBouncer, and at one with the other files."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from configparser import ConfigParser

import asyncpg
from behind_proxy import until
from free_port import free_port
from manifests import DEPLOY, compose, of_kind, one
from postgres_server import PostgresServer

from procession.commands.database_checks import CONNECTIONS_EACH

USUAL_CONNECTIONS = 100
"""PostgreSQL's own default for max_connections."""


def ini() -> ConfigParser:
    parsed = ConfigParser(interpolation=None)
    parsed.read(DEPLOY / "pgbouncer" / "pgbouncer.ini")
    return parsed


def test_a_real_pooler_takes_the_file() -> None:
    server, port = PostgresServer(), free_port()
    changed = ini()
    changed["databases"]["procession"] = f"host={server.folder} user=procession dbname=postgres"
    changed["pgbouncer"].update(
        listen_addr="127.0.0.1", listen_port=str(port), auth_type="any", unix_socket_dir=""
    )
    file = server.folder / "pgbouncer.ini"
    with file.open("w") as written:
        changed.write(written)
    file.chmod(0o644)
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    assert program, "PgBouncer is missing: run scripts/system-deps"
    pooler = subprocess.Popen([program, "-q", str(file)], user=server.user, cwd="/")
    try:
        until(lambda: answers(f"postgresql://procession@127.0.0.1:{port}/procession"), "an answer")
    finally:
        pooler.terminate()
        pooler.wait(20)
        server.stop()


def answers(address: str) -> bool:
    async def ask() -> bool:
        connection = await asyncpg.connect(address, statement_cache_size=0)
        try:
            return bool(await connection.execute("SELECT 1") == "SELECT 1")
        finally:
            await connection.close()

    try:
        return asyncio.run(ask())
    except OSError:
        return False


def test_policies_let_servers_reach_it() -> None:
    port = int(ini()["pgbouncer"]["listen_port"])
    for policy in of_kind("NetworkPolicy"):
        if policy["metadata"]["name"] != "procession-agent":
            rules = policy["spec"]["egress"]
            assert port in [each["port"] for rule in rules for each in rule.get("ports", [])]


def test_postgresql_has_room_for_as_many_servers_as_there_may_be() -> None:
    most = one("HorizontalPodAutoscaler", "procession-server")["spec"]["maxReplicas"]
    surge = one("Deployment", "procession-server")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert (most + surge) * CONNECTIONS_EACH < USUAL_CONNECTIONS
    said = re.search(
        r"max_connections=(\d+)", " ".join(compose()["services"]["postgres"]["command"])
    )
    assert said and int(said[1]) > 2 * CONNECTIONS_EACH


def test_the_pooler_takes_more_than_it_gives() -> None:
    pool = ini()["pgbouncer"]
    assert pool["pool_mode"] == "transaction"
    assert int(pool["default_pool_size"]) < USUAL_CONNECTIONS < int(pool["max_client_conn"])
    assert (DEPLOY / "pgbouncer" / "userlist.example.txt").exists()
