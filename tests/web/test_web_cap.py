"""What the pages say of the cap."""

from __future__ import annotations

from kproxy_tw.status import CapStatus, DeviceStatus
from kproxy_tw.testing.status import sample_daemon, sample_device
from kproxy_tw.web.pages import device as device_page
from kproxy_tw.web.pages import kproxy as kproxy_page
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.tables.choice import Choice

THINNED = CapStatus(plan_fps=250, seen=60_000, kept=6000, seen_per_kept=10.0, octets_error=0.031, packets_error=0.0204)


def pages(device: DeviceStatus) -> tuple[str, str]:
    """The first page, and the device's own."""
    daemon = sample_daemon()
    shown = kproxy_page.content(Snapshot(daemon, [device], [], []), Choice())
    first = Renderer().render(shown.template, **shown.for_template("/"))
    own = device_page.content(daemon, device)
    return first, Renderer().render(own.template, **own.for_template("/devices/1001"))


def test_pages_of_a_thinned_device_state_rate_and_error() -> None:
    """Effective rate, expected error of bytes and packets, and the share of the plan."""
    first, own = pages(sample_device(cap=THINNED))
    assert "3.1 %" in first
    assert "1 of 10 let through" in first
    assert "plan: 250/s" in first
    assert "6,000 of 60,000 in the last minute" in own
    assert "3.1 %" in own
    assert "2 % of the packets; one standard error" in own


def test_pages_of_a_device_below_its_cap_say_so() -> None:
    """No error where nothing was left out, and no plan that does not limit."""
    first, own = pages(sample_device())
    assert "1 of 10 let through" not in first
    assert "plan:" not in first
    assert "standard error of" not in own
