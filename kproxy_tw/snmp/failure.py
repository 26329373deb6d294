"""Why an agent could not be asked."""

from __future__ import annotations

from kproxy_tw.errors import KproxyError
from kproxy_tw.snmp.reading import ErrorKind, PollError


class AgentFailure(KproxyError):
    """An agent gave no usable answer to one question; ``str()`` says why, for people."""

    def __init__(self, kind: ErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind

    @property
    def error(self) -> PollError:
        """As a reading tells it."""
        return PollError(kind=self.kind, text=str(self))


class TooBig(AgentFailure):
    """The agent cannot give so much at once (``tooBig``), or does not say what went wrong (``genErr``)."""

    def __init__(self, error_status: int) -> None:
        super().__init__(
            ErrorKind.AGENT_ERROR, f"the agent answers with error status {error_status}, even to the smallest question"
        )


class NoSuchName(AgentFailure):
    """Version 1: there is nothing of, or behind, one of the names."""

    def __init__(self, error_index: int) -> None:
        super().__init__(ErrorKind.AGENT_ERROR, "the agent knows no such name")
        self.error_index = error_index
