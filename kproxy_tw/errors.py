"""The exceptions of kproxy_tw.

::

    KproxyError
    ├── MalformedInput        bytes of a peer that are not what its protocol says
    │   └── UnknownVersion    a datagram of no flow protocol that we know
    ├── ConfigError           a setting that cannot work; names the flag
    ├── UpstreamError         the backend gave no usable answer
    │   └── BackendUnavailable  kbgp's control stream is down, or silent
    └── StoreError            the disk or the store said no
        └── TooSlow           a query was ended because it took too long

Peers cause ``MalformedInput``: it is caught once per listener, counted with its
reason, and the datagram or body is dropped. Everything else that is not in this
tree is a bug and is logged as one.
"""


class KproxyError(Exception):
    """Root of the tree."""


class MalformedInput(KproxyError):
    """Bytes from a peer break the rules of their format; ``str()`` says which and where."""


class UnknownVersion(MalformedInput):
    """The datagram's version word names no protocol that this build decodes."""


class ConfigError(KproxyError):
    """A setting is missing or cannot work.

    :param flag: the flag, as the user would type it without dashes (``api_token``).
    :param problem: what is wrong and what to do, in one line.
    """

    def __init__(self, flag: str, problem: str) -> None:
        super().__init__(f"-{flag}: {problem}")
        self.flag = flag
        self.problem = problem


class UpstreamError(KproxyError):
    """The backend could not be reached, timed out, or answered something unusable."""


class BackendUnavailable(UpstreamError):
    """The control stream brought no answer about a router in time; ``str()`` says why."""


class StoreError(KproxyError):
    """Data could not be written to, or read back from, the disk."""


class TooSlow(StoreError):
    """A query was ended because it took too long; a smaller one may do."""
