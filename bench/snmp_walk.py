"""``python -m bench.snmp_walk LIBRARY VERSION``: walks the interfaces once; prints variables, CPU and wall seconds."""

from __future__ import annotations

import asyncio
import sys
import time

from bench.snmp import ADDRESS, COMMUNITY, PORT, USER
from kproxy_tw.snmp import oids
from kproxy_tw.snmp.agents import Agents
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, SnmpTarget, V3Credentials, Version
from kproxy_tw.snmp.walk import Walk


async def walk(library: str, version: Version) -> None:
    """Read what a poll reads of the interfaces."""
    name, auth, priv = USER
    user = V3Credentials(
        user=name,
        auth=AuthProtocol.SHA,
        auth_pass_phrase=auth,
        priv=PrivProtocol.AES128,
        priv_pass_phrase=priv,
    )
    target = SnmpTarget(
        device_id=1,
        address=ADDRESS,
        port=PORT,
        version=version,
        community=COMMUNITY,
        v3=user if version is Version.V3 else None,
    )
    client, _security = await Agents(library, {}).open(target, Pace(target.max_repetitions))
    # KnownAgent, keys and libraries are there before the walk, as they are in a process that polls for days.
    await client.get(tuple(oids.SYSTEM.values()))
    await client.walk(Walk(oids.STORAGE, target.max_rows))
    before, cpu, wall = client.effort().variables, time.process_time(), time.monotonic()
    for spec in (oids.DESCRIPTIONS[0], oids.COUNTERS):
        await client.walk(Walk(spec, target.max_rows))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    print(client.effort().variables - before, cpu, wall)
    client.close()


if __name__ == "__main__":
    asyncio.run(walk(sys.argv[1], Version(sys.argv[2])))
