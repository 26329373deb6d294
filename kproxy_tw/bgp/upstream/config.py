"""What can be set of kbgp's way to the backend."""

from __future__ import annotations

import attrs

from kproxy_tw.bgp.target import DEFAULT_TARGET


@attrs.frozen(kw_only=True)
class BackendConfig:
    """Target and times. Seconds where nothing else is said.

    :ivar target: ``host:port``, see :func:`kproxy_tw.bgp.target.target`.
    :ivar insecure: without TLS.
    :ivar ca_file: PEM file of the authorities to trust, in place of the platform's; empty: the platform's.
    :ivar proxy: ``http://[user:password@]host:port`` of a web proxy; empty: none.
    :ivar multi: sessions that share one HTTP/2 connection.
    :ivar heartbeat_seconds: between two heartbeats of the control stream.
    :ivar heartbeats_missed: so many without an answer, of a server that answered before, end the stream.
    :ivar backoff_seconds, max_backoff_seconds: ceiling of the wait after the first failure of the control stream,
        and of all later ones.
    :ivar question_seconds: a question about a router is answered in this time or not at all.
    :ivar answer_seconds: a server answers a new Data stream in this time, or another try is made.
    :ivar retry_seconds, max_retry_seconds: the same ceilings for a Data stream.
    :ivar resume_seconds: a broken Data stream is resumed in this time, and the router's hold time, or not at all.
    :ivar close_seconds: what a closed session still holds is sent in this time.
    """

    target: str = DEFAULT_TARGET
    insecure: bool = False
    ca_file: str = ""
    proxy: str = attrs.field(default="", repr=False)
    multi: int = 10
    heartbeat_seconds: float = 60.0
    heartbeats_missed: int = 3
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    question_seconds: float = 30.0
    answer_seconds: float = 10.0
    retry_seconds: float = 0.2
    max_retry_seconds: float = 3.0
    resume_seconds: float = 15.0
    close_seconds: float = 10.0
