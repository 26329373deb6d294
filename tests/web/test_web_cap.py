"""What the pages say of the cap."""

from __future__ import annotations

from kproxy_tw.status import CapStatus, DeviceStatus
from kproxy_tw.testing.status import sample_daemon, sample_device
from kproxy_tw.web.pages import device as device_page
from kproxy_tw.web.pages import kproxy as kproxy_page
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import Snapshot

THINNED = CapStatus(plan_fps=250, seen=60_000, kept=6000, seen_per_kept=10.0, octets_error=0.031, packets_error=0.0204)


def pages(device: DeviceStatus) -> tuple[str, str]:
    """The first page, and the device's own."""
    daemon = sample_daemon()
    first = Renderer().render("kproxy.html", **kproxy_page.page_values(Snapshot(daemon, [device], [], [])))
    return first, Renderer().render("device.html", **device_page.page_values(daemon, device))


def test_pages_of_a_thinned_device_state_rate_and_error() -> None:
    """Effective rate, expected error of bytes and packets, and the share of the plan."""
    first, own = pages(sample_device(cap=THINNED))
    assert "± 3.1 %" in first
    assert "1 of 10" in first
    assert "plan: 250/s" in first
    assert "1 record of 10 in the last minute" in own
    assert "± 3.1 % of the bytes, ± 2 % of the packets" in own


def test_pages_of_a_device_below_its_cap_say_so() -> None:
    """No error where nothing was left out, and no plan that does not limit."""
    first, own = pages(sample_device())
    assert "±" not in first
    assert "plan:" not in first
    assert "none: the cap left nothing out" in own
