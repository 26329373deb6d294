"""What is known of a device's exporters, on the page and in JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.templates.described import MAX_FIELDS
from kproxy_tw.devices.events import EventList
from kproxy_tw.devices.exporter_status import hold_exporters
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.sample.rates import RateInUse
from kproxy_tw.status import ExporterStatus
from kproxy_tw.testing.status import FixedStatus, sample_daemon, sample_device
from kproxy_tw.web import documents
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.metrics import exposition
from kproxy_tw.web.pages.device import content
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import take
from tests.decode.netflow_bytes import NOW, NOW_NS, a_set, v9
from tests.devices.test_memory_lines import new_session, taught


def status_of(session: ExporterSession, texts: Iterable[str] = ()) -> ExporterStatus:
    """The status of a device with this session and these events."""
    events = EventList(lambda _event: None)
    for number, text in enumerate(texts):
        events.add("rate_changed", text, now=float(NOW), subject=str(number))
    return hold_exporters({session.key: session}, [RateInUse(100, "sampler", 7)], events.latest())()[0]


def test_what_is_described_is_bounded_and_of_the_moment_that_was_held() -> None:
    """A thousand templates of thirty fields: as many as have 20,000 fields; what happens later does not show."""
    sessions = {"192.0.2.1": new_session(), "192.0.2.2": new_session()}
    fields = struct.pack("!60H", *(number for _field in range(30) for number in (1, 4)))
    for session in sessions.values():
        session.templates.begin(5000, float(NOW))
        for first in range(256, 756, 100):
            content = b"".join(struct.pack("!HH", number, 30) + fields for number in range(first, first + 100))
            walk(v9(a_set(0, content), seconds=NOW), session.templates, NOW_NS)
    describe = hold_exporters(sessions, [], [])
    for session in sessions.values():
        session.templates.store.clear()
    status, templates = describe()
    assert [session["templates"] for session in status.sessions] == [500, 500]
    assert [template["id"] for template in templates] == [*range(256, 756), *range(256, 256 + MAX_FIELDS // 30 - 500)]


def document(status: ExporterStatus) -> dict[str, Any]:
    """The JSON of a device, through JSON."""
    found: dict[str, Any] = json.loads(encode(documents.device(sample_device(exporters=status))))
    return found


def page(status: ExporterStatus) -> str:
    """The HTML of a device."""
    device = sample_device(exporters=status)
    shown = content(sample_daemon(), device)
    return Renderer().render(shown.template, **shown.for_template("/devices/1001"))


def test_the_sampling_table() -> None:
    """Who won, every sampler, the domain's own rate, rates of interfaces."""
    table = document(status_of(taught()))["SamplingTable"]
    place = {"Source": "192.0.2.1", "Version": 9, "Domain": 1}
    assert table["InUse"] == [{"Rate": 100, "Origin": "sampler", "Flows": 7}]
    assert table["Domains"] == [{**place, "Rate": 7.5}]
    (sampler,) = table["Samplers"]
    assert (sampler["ID"], sampler["Rate"], sampler["Learned"]) == (3, 100, "2023-11-14T22:13:20.000Z")
    assert table["SelectionSequences"] == [{**place, "ID": 12, "Rate": 10_000, "Selectors": [3, 3]}]
    assert table["Interfaces"] == [{**place, "Index": 4, "Rate": 20}]


def test_names_from_options() -> None:
    """Interfaces, applications and VRFs, with where they are from."""
    found = document(status_of(taught()))
    assert [(row["Index"], row["Name"], row["Description"]) for row in found["Interfaces"]] == [(4, "Gi0/4", "über")]
    assert [(row["ID"], row["Name"]) for row in found["Applications"]] == [(50331728, "http")]
    assert [(row["ID"], row["Name"]) for row in found["VRFs"]] == [(0, "RED")]


def test_what_waits_and_what_went_wrong() -> None:
    """Data without template, refused templates, ports told apart."""
    session = taught()
    session.templates.begin(5000, NOW + 2.0)
    session.templates.begin(5001, NOW + 3.0)
    walk(v9(a_set(999, b"abcd"), count=1), session.templates, NOW_NS)
    session.templates.refuse("template 300 of domain 1: it has no fields")
    (shown,) = document(status_of(session))["Sessions"]
    assert shown["WaitingFor"] == [{"Version": 9, "Domain": 1, "ID": 999, "Sets": 1}]
    assert (shown["HeldRecords"], shown["TemplatesRefused"]) == (1, 1)
    assert shown["LastRefusal"] == "template 300 of domain 1: it has no fields"
    assert shown["TemplateConflicts"] == [{"Version": 9, "Domain": 1, "PortsApart": [5001]}]


def test_the_page_shows_all_of_it() -> None:
    """Events, sampling, names, conflict; what exporters say is made harmless."""
    session = taught()
    session.templates.begin(5000, NOW + 2.0)
    session.templates.begin(5001, NOW + 3.0)
    session.templates.store.domains[9, 1].put_names("vrfs", 5, ("<script>", ""))
    html = page(status_of(session, ["the rate changed"]))
    for text in ("the rate changed", "Gi0/4", "http", "1:7.5", "two routers", "&lt;script&gt;"):
        assert text in html
    assert "<script>" not in html


def test_an_empty_device() -> None:
    """A page without exporters, options and events."""
    assert "Nothing has been noted since the start." in page(ExporterStatus())


def test_template_metrics() -> None:
    """What became of templates, summed over the devices."""
    counts = {"in_force": 3, "refused": 1, "evicted": 0, "expired": 2}
    others = sample_device(device_id=7, template_counts={"in_force": 5})
    status = FixedStatus(daemon_status=sample_daemon(), device_list=[sample_device(template_counts=counts), others])
    lines = exposition(take(status)).decode().splitlines()
    told = dict(line.split(" ") for line in lines if line.startswith("kproxy_templates{"))
    values = {"in_force": "8.0", "refused": "1.0", "evicted": "0.0", "expired": "2.0"}
    assert told == {f'kproxy_templates{{state="{state}"}}': value for state, value in values.items()}
