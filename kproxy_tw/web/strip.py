"""The pipeline strip: every stage that a record passes, what passes it per second, and what is lost there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from markupsafe import Markup

from kproxy_tw.ledger import Ledger
from kproxy_tw.web.tables.table import Table, columns
from kproxy_tw.web.text import si_number

_LOST_AT: Mapping[str, tuple[str, ...]] = {
    "decode": ("no_template", "malformed", "unregistered", "disabled", "egress"),
    "sample": ("queue_full",),
    "encode": ("encode",),
    "deliver": ("spool_full", "spool_expired", "spool_corrupt", "rejected", "shutdown"),
}
"""Stage to the reasons for which records are dropped there."""

LEAST_SHOWN = 0.05
"""A smaller rate would read 0."""


@attrs.frozen(kw_only=True)
class Loss:
    """What is lost for one reason. ``per_second``: in the last minute; ``total``: since the start."""

    reason: str
    per_second: float
    total: int


@attrs.frozen(kw_only=True)
class Stage:
    """One stage.

    :ivar per_second: what passed it in the last minute, in ``unit``.
    :ivar aside: a word on what is no loss.
    :ivar failing: whether its check fails: it does not do its work, even if nothing is lost yet.
    """

    name: str
    per_second: float
    unit: str
    losses: tuple[Loss, ...] = ()
    aside: str = ""
    failing: bool = False

    @property
    def losing(self) -> bool:
        """Whether anything was lost here in the last minute."""
        return any(loss.per_second for loss in self.losses)


def stages(totals: Ledger, lately: Ledger, seconds: float, *, delivery_fails: bool = False) -> tuple[Stage, ...]:
    """The stages in order.

    :param seconds: of ``lately``; 0 before anything is known.
    :param delivery_fails: whether the check of that name does.
    """

    def rate(count: float) -> float:
        return max(0.0, count / seconds) if seconds else 0.0

    def losses(at: str) -> tuple[Loss, ...]:
        return tuple(
            Loss(reason=reason, per_second=rate(lately.records_dropped[reason]), total=totals.records_dropped[reason])
            for reason in _LOST_AT[at]
            if totals.records_dropped[reason]
        )

    early = sum(lately.records_dropped[reason] for at in ("decode", "sample") for reason in _LOST_AT[at])
    kept = lately.records_received - lately.records_sampled_out - early
    sampled_out = rate(lately.records_sampled_out)
    retried = rate(lately.messages_retried)
    sent = f"{si_number(rate(lately.bytes_sent), 'B')}/s"
    waiting = totals.records_in_flight
    return (
        Stage(
            name="receive",
            per_second=rate(lately.datagrams_received),
            unit="datagrams/s",
            losses=_at_the_socket(totals, lately, seconds),
        ),
        Stage(name="decode", per_second=rate(lately.records_received), unit="records/s", losses=losses("decode")),
        Stage(
            name="sample",
            per_second=rate(kept),
            unit="records/s",
            losses=losses("sample"),
            aside=f"{_short(sampled_out)}/s sampled out" if sampled_out else "",
        ),
        Stage(
            name="encode",
            per_second=rate(kept - lately.records_dropped["encode"]),
            unit="records/s",
            losses=losses("encode"),
            aside=f"{_short(waiting)} in flight" if waiting else "",
        ),
        Stage(
            name="deliver",
            per_second=rate(lately.messages_sent),
            unit="messages/s",
            losses=losses("deliver"),
            aside=f"{_short(retried)}/s retried" if retried >= LEAST_SHOWN else sent,
            failing=delivery_fails,
        ),
        Stage(name="acknowledged", per_second=rate(lately.records_forwarded), unit="records/s"),
    )


def _at_the_socket(totals: Ledger, lately: Ledger, seconds: float) -> tuple[Loss, ...]:
    counts = {
        "on the way here": (totals.sequence_gaps, lately.sequence_gaps),
        "in the kernel": (totals.kernel_drops, lately.kernel_drops),
        **{reason: (count, lately.datagrams_dropped[reason]) for reason, count in totals.datagrams_dropped.items()},
    }
    return tuple(
        Loss(reason=reason, per_second=max(0.0, recent / seconds) if seconds else 0.0, total=total)
        for reason, (total, recent) in counts.items()
        if total
    )


def pipeline_table(found: Sequence[Stage]) -> Table:
    """The same figures for JSON and CSV."""
    return Table(
        name="pipeline",
        key="Pipeline",
        title="Pipeline",
        columns=columns(
            ("Stage", "Stage"),
            ("PerSecond", "Per second", "number"),
            ("Unit", "Unit"),
            ("LostPerSecond", "Lost per second", "number"),
            ("Lost", "Lost", "count"),
            ("Reasons", "Reasons"),
        ),
        rows=[
            (
                stage.name,
                round(stage.per_second, 2),
                stage.unit,
                round(sum(loss.per_second for loss in stage.losses), 2),
                sum(loss.total for loss in stage.losses),
                tuple(loss.reason for loss in stage.losses),
            )
            for stage in found
        ],
    )


def _short(value: float) -> str:
    return si_number(round(value, 1 if value < 100 else 0))


BOX_WIDTH, BOX_HEIGHT = 168, 84
GAP = 32
LOSS_HEIGHT = 18
MOST_LOSSES = 3
"""Lines of losses under a box; the rest is summed up in the last one."""

UPRIGHT_WIDTH = 372


def drawn(found: Sequence[Stage]) -> Markup:
    """The strip as SVG: boxes from left to right, losses below the box where they happen."""
    lines = max(min(MOST_LOSSES, len(stage.losses)) for stage in found)
    width = len(found) * BOX_WIDTH + (len(found) - 1) * GAP + 2
    height = BOX_HEIGHT + 2 + (10 if lines else 0) + lines * LOSS_HEIGHT
    parts = [
        _box(stage, 1 + place * (BOX_WIDTH + GAP), 1) + _arrow(1 + place * (BOX_WIDTH + GAP) + BOX_WIDTH, place, found)
        for place, stage in enumerate(found)
    ]
    return _svg("strip wide", width, height, parts, found)


def drawn_upright(found: Sequence[Stage]) -> Markup:
    """The same from top to bottom, for narrow screens; losses stand at the right."""
    step = BOX_HEIGHT + 20
    parts = []
    for place, stage in enumerate(found):
        top = 1 + place * step
        parts.append(_box(stage, 1, top, beside=True))
        if place < len(found) - 1:
            middle, end = 1 + BOX_WIDTH // 2, top + BOX_HEIGHT
            parts.append(
                Markup('<path class="flow" d="M{x} {a}v{l}m-5 -6l5 6l5 -6"/>').format(x=middle, a=end + 1, l=17)
            )
    return _svg("strip upright", UPRIGHT_WIDTH, len(found) * step - 18, parts, found)


def _svg(name: str, width: int, height: int, parts: Sequence[Markup], found: Sequence[Stage]) -> Markup:
    words = "; ".join(
        f"{stage.name}{' failing,' if stage.failing else ''} {_short(stage.per_second)} {stage.unit}"
        + "".join(f", lost {_short(loss.per_second)}/s {loss.reason}" for loss in stage.losses if loss.per_second)
        for stage in found
    )
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        name, width, height, words, Markup("").join(parts)
    )


def _box(stage: Stage, x: int, y: int, *, beside: bool = False) -> Markup:
    return Markup(
        '<g class="stage{state}" transform="translate({x} {y})"><rect width="{w}" height="{h}" rx="8"/>'
        '<text class="name" x="14" y="24">{name}</text>'
        '<text class="rate" x="14" y="51">{rate}<tspan class="unit" dx="6">{unit}</tspan></text>'
        '<text class="aside" x="14" y="71">{aside}</text>{losses}</g>'
    ).format(
        state=" losing" if stage.losing or stage.failing else "",
        x=x,
        y=y,
        w=BOX_WIDTH,
        h=BOX_HEIGHT,
        name=f"{stage.name} ✕ failing" if stage.failing else stage.name,
        rate=_short(stage.per_second),
        unit=stage.unit,
        aside=stage.aside,
        losses=_losses(stage, beside=beside),
    )


def _losses(stage: Stage, *, beside: bool) -> Markup:
    x, y = (BOX_WIDTH + 12, 24) if beside else (14, BOX_HEIGHT + 22)
    ordered = sorted(stage.losses, key=lambda loss: (-loss.per_second, -loss.total))
    shown, rest = ordered[:MOST_LOSSES], ordered[MOST_LOSSES:]
    if rest:
        shown, rest = ordered[: MOST_LOSSES - 1], ordered[MOST_LOSSES - 1 :]
        shown.append(
            Loss(
                reason=f"{len(rest)} other reasons",
                per_second=sum(loss.per_second for loss in rest),
                total=sum(loss.total for loss in rest),
            )
        )
    return Markup("").join(
        Markup('<text class="{}" x="{}" y="{}">{} {}<title>{} since the start</title></text>').format(
            "loss now" if loss.per_second else "loss",
            x,
            y + LOSS_HEIGHT * place,
            f"▼ {_short(loss.per_second)}/s" if loss.per_second else _short(loss.total),
            loss.reason,
            f"{loss.total:,}",
        )
        for place, loss in enumerate(shown)
    )


def _arrow(x: int, place: int, found: Sequence[Stage]) -> Markup:
    if place == len(found) - 1:
        return Markup("")
    return Markup('<path class="flow" d="M{} {}h{}m-6 -5l6 5l-6 5"/>').format(x + 5, 1 + BOX_HEIGHT // 2, GAP - 10)
