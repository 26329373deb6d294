"""Keys that are missing, wrong, changed, removed, too many: F28."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from pathlib import Path

from faults.scenes import Scene, scene
from tests.interop.bgp_daemons import bird_router
from tests.interop.bgp_lab import sessions_of, wait

MANY = 1000
FIRST_OF_MANY = IPv4Address("10.66.0.0")
TOLD_SECONDS = 20.0


def keys(directory: Path, chance: random.Random) -> None:
    """F28: everything that can be wrong with a key is named; 1,000 of them at once as well."""
    key, other = (f"canary-{chance.randrange(1 << 40)}" for _key in range(2))
    with scene(directory, flags=("--enable-md5-support",)) as made:
        made.add(1, key=key)
        made.settle("not Established with the right key")
        _with_key_at_router(made, other)
        _told(made, "TCP-MD5 of 10.1.0.2: wrong key")
        _with_key_at_router(made, "")
        _told(made, "TCP-MD5 of 10.1.0.2: no key")
        made.lab.device(1, "10.1.0.2", other)
        _told(made, "TCP-MD5 key of 10.1.0.2 replaced")
        _with_key_at_router(made, other)
        made.settle("not Established with the changed key")
        made.lab.device(1, "10.1.0.2", "")
        _told(made, "TCP-MD5 key of 10.1.0.2 removed")
        _many(made, key)
        secrets = [secret for secret in (key, other) if secret in made.lab.log("kbgp") + made.lab.log("kcollect")]
        assert not secrets, "a key is in a log"


def _with_key_at_router(made: Scene, key: str) -> None:
    (session,) = sessions_of(1, {"ipv4": made.sessions[1].routes}, key)
    made.routers[1].configure(bird_router(1, [session]))


def _told(made: Scene, line: str) -> None:
    wait(lambda: line in made.lab.log(), f"the log does not say {line!r}", None, TOLD_SECONDS)


def _many(made: Scene, key: str) -> None:
    made.lab.many_devices(100, [str(FIRST_OF_MANY + number) for number in range(1, MANY + 1)], key)
    made.lab.kbgp.process.kill()
    made.lab.kbgp.process.wait()
    made.lab.start_kbgp("--enable-md5-support")

    def all_set_or_limit_named() -> bool:
        log = made.lab.log()
        return log.count(" set ") >= MANY or "sysctl -w net.core.optmem_max" in log

    wait(all_set_or_limit_named, "neither are all keys set, nor is the limit named", None, TOLD_SECONDS)
