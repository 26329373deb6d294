"""A batch of one exporter's datagrams on its way to walks and problems.

Packets that are alike are walked in groups (see :mod:`~kproxy_tw.decode.alike`). Everything else (new templates,
several sets, other sizes) is walked packet by packet, and in its place: a template holds for what came after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kproxy_tw.decode.alike import Group, groups_in
from kproxy_tw.decode.joined import JoinedDatagrams
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sequences.book import Counted
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.table import Template
from kproxy_tw.errors import MalformedInput

WalkOne = Callable[[bytes, TemplateCache, int], Walk]


def walk_batch(
    datagrams: Sequence[bytes],
    joined: JoinedDatagrams,
    templates: TemplateCache,
    walk: WalkOne,
    counted: Counted | None = None,
) -> tuple[list[Walk], list[MalformedInput]]:
    """Walk datagrams of one exporter; the same records as one by one, though not in the same sets.

    :param joined: the same datagrams.
    :param walk: walks one datagram.
    :param counted: is told how many records each datagram holds.
    :return: what they hold, and why those that are missing in it could not be walked.
    """
    groups = list(groups_in(datagrams, joined))
    alone = np.ones(len(datagrams), np.bool_)
    for group in groups:
        alone[group.positions] = False
    batch = _Batch(datagrams, joined, groups, templates, walk, counted)
    waiting = np.flatnonzero(alone)[::-1].tolist()
    while waiting:
        position = waiting.pop()
        if not batch.walk_alone(position) and (parted := batch.part(position)):
            waiting = sorted(waiting + parted, reverse=True)
    batch.walk_groups(len(datagrams))
    return batch.walks, batch.problems


class _Batch:
    """A batch on its way to walks and problems.

    The packets of a group are walked as late as they can be: when their template changes, or at the end. (Exporters
    repeat their templates every few packets, mostly unchanged.) Those that repeat templates teach nothing, as long as
    no packet before them has taught anything else: the first of them is walked alone.
    """

    def __init__(
        self,
        datagrams: Sequence[bytes],
        joined: JoinedDatagrams,
        groups: Sequence[Group],
        templates: TemplateCache,
        walk: WalkOne,
        counted: Counted | None,
    ) -> None:
        self._datagrams = datagrams
        self._joined = joined
        self._templates = templates
        self._walk = walk
        self._counted = counted
        self._groups = [(group, self._together(group)) for group in groups]
        self._done = 0
        self.walks: list[Walk] = []
        self.problems: list[MalformedInput] = []

    def walk_alone(self, position: int) -> bool:
        """Walk a datagram that belongs to no group; the templates in it hold for those behind it.

        :return: whether it was in order and has changed nothing.
        """
        if any(template is None for _group, template in self._groups):
            self.walk_groups(position)
        templates = self._templates
        changes, refused = templates.changes, templates.refused
        in_order = self._one(position) and templates.refused == refused
        if templates.changes != changes:
            self._changed(position)
        return in_order and templates.changes == changes

    def part(self, position: int) -> list[int]:
        """Leave packets behind ``position`` that repeat templates to be walked alone. :return: where they stand."""
        led = [group.positions for group, _template in self._groups if group.led]
        if not led:
            return []
        self.walk_groups(position)
        self._groups = [(group, template) for group, template in self._groups if not group.led]
        return [each for positions in led for each in positions[positions > position].tolist()]

    def _together(self, group: Group) -> Template | None:
        """The template by which a group can be walked as one; ``None``: it has to be packet by packet, in its place."""
        template = group.template(self._templates)
        return None if template is None or group.is_padded(template, self._joined) else template

    def _changed(self, position: int) -> None:
        """A template is another one since the datagram at ``position``."""
        now = [(group, self._together(group)) for group, _template in self._groups]
        if any(new is not old for (_, new), (_, old) in zip(now, self._groups, strict=True)):
            self.walk_groups(position)
            self._groups = now

    def walk_groups(self, end: int) -> None:
        """Walk the packets of groups that stand before ``end`` and are not walked yet."""
        for group, template in self._groups:
            low, high = np.searchsorted(group.positions, (self._done, end)).tolist()
            if low == high:
                continue
            if template is not None:
                walked = group.block(slice(low, high), template, self._joined)
                self.walks.append(walked)
                if self._counted is not None:
                    self._counted.flows[group.positions[low:high]] = walked.records // (high - low)
                continue
            for position in group.positions[low:high].tolist():
                self._one(position)
        self._done = end

    def _one(self, position: int) -> bool:
        try:
            received_ns = int(self._joined.received_ns[position])
            walked = self._walk(self._datagrams[position], self._templates, received_ns)
        except MalformedInput as problem:
            self.problems.append(problem)
            return False
        self.walks.append(walked)
        if self._counted is not None:
            self._counted.one(position, walked)
        return not walked.malformed
