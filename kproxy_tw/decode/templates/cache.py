"""The templates of one exporter session: learned, refreshed, withdrawn, expired, and told apart by port where needed.

A template that fails the checks of :mod:`~kproxy_tw.decode.templates.specifiers` is refused and counted, and an older
valid one with its number stays in force.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from kproxy_tw.decode.notices import Notices
from kproxy_tw.decode.optiondata.queue import OptionQueue
from kproxy_tw.decode.templates.described import DOMAIN_MASK, Described, describe_templates
from kproxy_tw.decode.templates.held import HeldSets
from kproxy_tw.decode.templates.portsplit import PortSplits
from kproxy_tw.decode.templates.room import StateRoom
from kproxy_tw.decode.templates.table import MAX_TEACHERS, Key, Template, TemplateLimits, TemplateStore
from kproxy_tw.errors import MalformedInput

ALL_DATA, ALL_OPTIONS = 2, 3
"""Template ids in a withdrawal that stand for all templates and all options templates (RFC 7011 section 8.1)."""

MAX_ARRIVED = 4096
"""Templates that came and that kept data waits for, until they are asked for."""


class TemplateCache:
    """What one exporter session has taught.

    :param room: shared by all exporters.
    :param withdrawable: templates may be withdrawn: over TCP, not over UDP (RFC 7011 section 8.4).
    :param decap: of captured packets in a tunnel, the inner one counts (``-decap``).
    :ivar refused: templates that failed validation.
    :ivar expired: templates that were not sent again for too long.
    :ivar last_refusal: why the latest one did; empty when none has.
    :ivar changes: how often a template changed; option tables count their own.
    :ivar store: the templates in force, and the option tables of their domains.
    :ivar held: data that came before its template.
    :ivar options: option records that are not read yet.
    :ivar splits: the domains whose state is kept by port.
    :ivar notices: what people should see.
    :ivar now: seconds since 1970 of the datagrams that are being walked.
    """

    def __init__(
        self,
        limits: TemplateLimits | None = None,
        *,
        room: StateRoom | None = None,
        withdrawable: bool = False,
        decap: bool = False,
    ) -> None:
        shared = room or StateRoom()
        self.refused = self.expired = self.changes = 0
        self.last_refusal = ""
        self.now = 0.0
        self.notices = Notices()
        self.store = TemplateStore(limits or TemplateLimits(), shared, self.notices, decap=decap)
        self.held = HeldSets(shared.held)
        self.options = OptionQueue(shared.options)
        self.splits = PortSplits()
        self._apart = False
        self._port = 0
        self._withdrawable = withdrawable
        self._arrived: list[Key] = []

    def __len__(self) -> int:
        return len(self.store.templates)

    @property
    def evicted(self) -> int:
        """Templates dropped because of a limit."""
        return self.store.evicted

    def begin(self, port: int, now: float) -> None:
        """Datagrams from ``port`` are walked next; ``now``: seconds since 1970."""
        self._port, self.now = port, now
        self.store.used()
        for _version, domain in self.splits.heard(port, now) if self._apart else ():
            ports = ", ".join(map(str, self.splits.ports(_version, domain)))
            self.notices(
                "template_conflict",
                f"domain {domain}",
                f"two routers behind one address use the same template ids of domain {domain} differently;"
                f" they are told apart by source port (apart: {ports})",
            )

    def key(self, version: int, domain: int, template_id: int) -> Key:
        """Under what a template of the datagram that is walked stands."""
        return (version, self.splits.key(version, domain, self._port) if self._apart else domain, template_id)

    def find(self, version: int, domain: int, template_id: int) -> Template | None:
        """The template in force, or ``None``; counts as a use of it."""
        key = self.key(version, domain, template_id) if self._apart else (version, domain, template_id)
        templates = self.store.templates
        found = templates.get(key)
        if found is not None:
            templates.move_to_end(key)
        return found

    def learn(self, version: int, domain: int, template_id: int, content: bytes, scopes: int = 0) -> None:
        """Take a template in, as an exporter sent it; never raises for a bad one.

        :param version: 9 or 10.
        :param domain: source id or observation domain.
        :param content: the field specifiers, byte for byte.
        :param scopes: how many of them are scope fields: more than 0 makes it an options template.
        """
        key = self.key(version, domain, template_id)
        known = self.find(version, domain, template_id)
        if known is not None and known.content == content and known.scopes == scopes:
            known.sent(self._port, self.now)
            return
        try:
            template = self.store.make(key, content, scopes)
        except MalformedInput as problem:
            self.refuse(f"template {template_id} of domain {domain}: {problem}")
            return
        if known is not None and self._port and known.teachers and self._port not in known.teachers:
            key = self._split(key)
            template = self.store.make(key, content, scopes)
        template.sent(self._port, self.now)
        self._put(key, template)

    def refuse(self, why: str) -> None:
        """Count a template that cannot be taken in."""
        self.refused += 1
        self.last_refusal = why
        self.notices("template_refused", "", f"refused {why}; a valid one from before stays")

    def withdraw(self, version: int, domain: int, template_id: int) -> None:
        """The exporter says that a template holds no longer; ignored where that is not reliable."""
        if not self._withdrawable:
            return
        gone = [(version, domain, template_id)]
        if template_id in (ALL_DATA, ALL_OPTIONS):
            options = template_id == ALL_OPTIONS
            known = self.store.templates.items()
            gone = [key for key, one in known if key[:2] == (version, domain) and one.is_options is options]
        for key in gone:
            self.changes += self.store.remove(key)

    def adopt(self, key: Key, content: bytes, scopes: int, *, refreshed: float, teachers: Iterable[int] = ()) -> None:
        """Take a template over from before a restart, unless the exporter has sent one of that number since.

        :raises MalformedInput: it is none that could have been learned.
        """
        self.splits.restore(key[0], key[1], self.now)
        self._apart = bool(self.splits)
        if key in self.store.templates:
            return
        template = self.store.make(key, content, scopes)
        template.refreshed, template.restored = refreshed, True
        template.teachers.update(islice(teachers, MAX_TEACHERS))
        self._put(key, template)

    def expire(self, now: float) -> None:
        """Give up templates that were not sent again for too long."""
        limit = now - self.store.limits.seconds
        for key in [key for key, known in self.store.templates.items() if known.refreshed < limit]:
            self.changes += self.store.remove(key)
            self.expired += 1

    def close(self) -> int:
        """Give everything up. :return: how many records waited for a template."""
        self.store.clear()
        self.options.clear()
        return self.held.clear()

    def arrived(self) -> list[Key]:
        """The templates that came since the last call and that kept data waits for."""
        found, self._arrived = self._arrived, []
        return found

    def describe(self) -> list[Described]:
        """Templates as :func:`describe_templates` gives them, ready for JSON."""
        return list(describe_templates(self.store.templates.items(), self.now))

    def _put(self, key: Key, template: Template) -> None:
        self.store.put(key, template)
        self.changes += 1
        if key in self.held and len(self._arrived) < MAX_ARRIVED:
            self._arrived.append(key)

    def _split(self, key: Key) -> Key:
        """Keep this port's state of the domain apart from the other ports'. :return: the template's key from now on."""
        version, domain, template_id = key
        own = self.splits.split(version, domain & DOMAIN_MASK, self._port, self.now)
        self._apart = True
        for other, known in list(self.store.templates.items()):
            if own != domain and other[:2] == (version, domain) and self._port in known.teachers:
                self._put(
                    (version, own, other[2]), self.store.make((version, own, other[2]), known.content, known.scopes)
                )
        return (version, own, template_id)
