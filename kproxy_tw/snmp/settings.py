"""What is polled, how, and how often. Plain values: they travel to the polling process as JSON."""

from __future__ import annotations

from enum import StrEnum

import attrs

DEFAULT_PORT = 161


class Version(StrEnum):
    """Version of the protocol, spelled as ``snmpget -v`` does."""

    V1 = "1"
    V2C = "2c"
    V3 = "3"


class AuthProtocol(StrEnum):
    """How messages are authenticated (RFC 3414, RFC 7860), spelled as in the device API."""

    NONE = "NoAuth"
    MD5 = "MD5"
    SHA = "SHA"
    SHA224 = "SHA-224"
    SHA256 = "SHA-256"
    SHA384 = "SHA-384"
    SHA512 = "SHA-512"


class PrivProtocol(StrEnum):
    """How messages are encrypted (RFC 3414, RFC 3826), spelled as in the device API.

    Longer AES keys were never standardised. Two ways of making them from the pass phrase are in use: that of
    draft-blumenthal-aes-usm-04 (net-snmp and others), and that of draft-reeder-snmpv3-usm-3desede-00, which Cisco uses.
    """

    NONE = "NoPriv"
    DES = "DES"
    AES128 = "AES"
    AES192 = "AES-192"
    AES256 = "AES-256"
    AES192_REEDER = "AES-192-C"
    AES256_REEDER = "AES-256-C"


class SecurityLevel(StrEnum):
    """What protects a message of version 3, spelled as ``snmpget -l`` does."""

    NO_AUTH_NO_PRIV = "noAuthNoPriv"
    AUTH_NO_PRIV = "authNoPriv"
    AUTH_PRIV = "authPriv"


@attrs.frozen(kw_only=True)
class V3Credentials:
    """A user of version 3. The pass phrases never show in a ``repr``.

    :ivar context_name, context_engine_id: the part of the agent that is asked; the id in hexadecimal, empty for the
        agent's own.
    """

    user: str
    auth: AuthProtocol = AuthProtocol.NONE
    auth_pass_phrase: str = attrs.field(default="", repr=False)
    priv: PrivProtocol = PrivProtocol.NONE
    priv_pass_phrase: str = attrs.field(default="", repr=False)
    context_name: str = ""
    context_engine_id: str = ""

    def __attrs_post_init__(self) -> None:
        """:raises ValueError: privacy without authentication, which the protocol does not have."""
        if self.priv is not PrivProtocol.NONE and self.auth is AuthProtocol.NONE:
            raise ValueError("privacy needs an authentication protocol")

    @property
    def level(self) -> SecurityLevel:
        """What protects its messages."""
        if self.priv is not PrivProtocol.NONE:
            return SecurityLevel.AUTH_PRIV
        return SecurityLevel.NO_AUTH_NO_PRIV if self.auth is AuthProtocol.NONE else SecurityLevel.AUTH_NO_PRIV


@attrs.frozen(kw_only=True)
class SnmpTarget:
    """One device to poll. Secrets never show in a ``repr``.

    :ivar address: IPv4 or IPv6, as text; local policy has let it pass already.
    :ivar source_address: what to poll from (``-proxy_snmp``); empty leaves it to the system.
    :ivar community: of versions 1 and 2c.
    :ivar v3: the user of version 3, ``None`` with the others.
    :ivar minimized: descriptions rarely and no counters.
    :ivar timeout_seconds: for the answer to one request.
    :ivar retries: how often an unanswered request is sent again.
    :ivar max_repetitions: rows that one request asks for, at most; the poller takes fewer where the agent needs it.
    :ivar max_rows: rows of one table that are read, at most.
    """

    device_id: int
    address: str
    port: int = DEFAULT_PORT
    source_address: str = ""
    version: Version = Version.V2C
    community: str = attrs.field(default="", repr=False)
    v3: V3Credentials | None = attrs.field(default=None)
    minimized: bool = False
    timeout_seconds: float = 5.0
    retries: int = 2
    max_repetitions: int = 50
    max_rows: int = 16_384

    def __attrs_post_init__(self) -> None:
        """:raises ValueError: version 3 without a user."""
        if self.version is Version.V3 and self.v3 is None:
            raise ValueError("SNMP version 3 needs a user")


@attrs.frozen(kw_only=True)
class SnmpSchedule:
    """How often devices are polled and how much of them is kept. Times in seconds.

    Each device has its own offset into the intervals, so that polls spread; a late poll does not move the next one.

    :ivar counters_seconds: between two polls of the counters.
    :ivar descriptions_seconds: between two polls of everything else; a multiple of the above.
    :ivar minimized_seconds: the same for devices that are polled rarely.
    :ivar low: poll all devices as if they were minimized (``-snmp_low``).
    :ivar max_interfaces: interfaces of a device that the first reading holds, the busiest first (``-snmp_max``).
    :ivar max_interfaces_later: the same for later readings (``-snmp_max_cycle``).
    :ivar backoff_max_seconds: longest wait for a device that does not answer.
    :ivar walks_at_once: devices that are polled at the same time.
    """

    counters_seconds: float = 300.0
    descriptions_seconds: float = 1800.0
    minimized_seconds: float = 21_600.0
    low: bool = False
    max_interfaces: int = 750
    max_interfaces_later: int = 500
    backoff_max_seconds: float = 900.0
    walks_at_once: int = 64
