"""One attempt to deliver a message: the POST, and what its outcome means."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.retry import Fate, Verdict, verdict
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.deliver.target import target
from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer, UpstreamSession

HEADERS = {"Content-Type": "application/binary", "Content-Encoding": "gzip"}

BATCH_HEADER = "X-Kproxy-Batch"
"""Names the message, so that a collector that sees it twice can tell."""

_HINTS = {
    401: "the e-mail or the token is not accepted; check -api_email and KENTIK_API_TOKEN",
    403: "this user may not send flow; check -api_email and its rights",
    404: "no such URL; check -region, -api and -flow_url",
    413: "the message is too large for it",
}


@attrs.frozen
class Outcome:
    """How an attempt ended.

    :ivar status: of the answer; 0 without one.
    :ivar problem: in words; empty if there was none.
    """

    verdict: Verdict
    status: int
    problem: str

    @property
    def fate(self) -> Fate:
        """What becomes of the message."""
        return self.verdict.fate


async def attempt(
    session: UpstreamSession,
    url: str,
    *,
    sender_id: str,
    batch: BatchId | None,
    body: bytes,
    config: DeliverConfig,
    wall: Callable[[], float],
) -> Outcome:
    """POST ``body`` once.

    :param url: the flow endpoint.
    :param sender_id: ``company:name:id``.
    :param wall: gives seconds since 1970, for ``Retry-After`` dates.
    """
    try:
        answer = await session.request(
            "POST",
            target(url, sender_id),
            body=body,
            headers=HEADERS | {BATCH_HEADER: str(batch)},
            seconds=config.post_seconds,
            limit=config.max_answer_bytes,
        )
    except UpstreamError as error:
        return Outcome(Verdict(Fate.RETRY), 0, str(error))
    said = verdict(answer.status, answer.headers.get("retry-after"), wall())
    return Outcome(said, answer.status, "" if said.fate is Fate.DELIVERED else _describe(answer))


def _describe(answer: Answer) -> str:
    """Say what an answer that is no success means. Its body is left out: it may repeat what we sent."""
    if 300 <= answer.status <= 399:
        return f"the backend answered {answer.status}: a redirect, which credentials do not follow; check -flow_url"
    hint = _HINTS.get(answer.status)
    return f"the backend answered {answer.status}" + (f": {hint}" if hint else "")
