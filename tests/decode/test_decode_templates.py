"""The template cache: bounds, validation, identity of layouts, description."""

from __future__ import annotations

import json

import pytest

from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.table import Template, TemplateLimits
from tests.decode.netflow_bytes import Fields, specifiers

GOOD: Fields = ((8, 4), (1, 4))


def learned(templates: TemplateCache, *fields: tuple[int, ...], domain: int = 1, number: int = 256) -> Template | None:
    """What is in force after an IPFIX template was sent."""
    templates.learn(10, domain, number, specifiers(fields))
    return templates.find(10, domain, number)


def test_the_same_template_again_keeps_its_layout() -> None:
    """Record sets must go on grouping under one object when a template is refreshed."""
    templates = TemplateCache()
    first = learned(templates, *GOOD)
    assert first is not None
    assert learned(templates, *GOOD) is first


def test_equal_content_shares_a_layout_between_domains() -> None:
    """Line cards with equal templates are decoded together; other content has another layout."""
    templates = TemplateCache()
    one, two, other = (
        learned(templates, *GOOD),
        learned(templates, *GOOD, domain=2),
        learned(templates, (1, 8), domain=3),
    )
    assert one is not None and two is not None and other is not None  # noqa: PT018
    assert one.layout is two.layout
    assert other.layout is not one.layout


def test_changed_content_replaces() -> None:
    """A number that is used again with other content has a new layout."""
    templates = TemplateCache()
    first, second = learned(templates, *GOOD), learned(templates, (8, 4), (1, 8))
    assert first is not None and second is not None  # noqa: PT018
    assert first.layout is not second.layout
    assert len(templates) == 1


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ((), 300),
        (((1, 4),) * 513, 300),
        (((210, 0),), 300),
        (((210, 40000), (210, 30000)), 300),
        (GOOD, 255),
        (((8, 3),), 300),
        (((27, 4),), 300),
        (((56, 8),), 300),
        (((1, 9),), 300),
        (((1, 65535),), 300),
        (((153, 4),), 300),
    ],
    ids=["none", "513", "0 B", "70000 B", "id 255", "ipv4", "ipv6", "mac", "counter", "variable", "ms"],
)
def test_bad_templates_are_refused(fields: Fields, number: int) -> None:
    """What could not be decoded, or never end, is refused when it is sent, with a reason."""
    templates = TemplateCache()
    assert learned(templates, *fields, number=number) is None
    assert templates.refused == 1
    assert f"template {number} of domain 1: " in templates.last_refusal


def test_a_bad_template_leaves_the_valid_one() -> None:
    """An older valid template of the same number stays in force."""
    templates = TemplateCache()
    first = learned(templates, *GOOD)
    assert learned(templates, (8, 3)) is first


def test_limits_are_inclusive() -> None:
    """512 fields and a record of 65535 bytes are the most that is allowed."""
    templates = TemplateCache()
    assert learned(templates, *((1, 4),) * 512) is not None
    assert learned(templates, (210, 65534), (4, 1), domain=2) is not None


def test_more_scopes_than_fields() -> None:
    """An options template cannot have more scope fields than fields."""
    templates = TemplateCache()
    templates.learn(10, 1, 300, specifiers(GOOD), 3)
    assert (templates.refused, len(templates)) == (1, 0)


def test_scopes_of_v9_have_numbers_of_their_own() -> None:
    """Scope type 1 is the system and may be an IPv6 address; element 1, the octets, may not be so long."""
    templates = TemplateCache()
    templates.learn(9, 1, 300, specifiers([(1, 16), (34, 4)]), 1)
    templates.learn(10, 1, 300, specifiers([(1, 16), (34, 4)]), 1)
    assert (templates.refused, len(templates)) == (1, 1)


def test_the_least_recently_used_template_goes_first() -> None:
    """Use, not age, decides; what goes is counted."""
    templates = TemplateCache(TemplateLimits(templates=2))
    learned(templates, *GOOD, number=256)
    learned(templates, *GOOD, number=257)
    templates.find(10, 1, 256)
    learned(templates, *GOOD, number=258)
    assert [templates.find(10, 1, number) is not None for number in (256, 257, 258)] == [True, False, True]
    assert templates.evicted == 1


def test_the_least_recently_used_domain_goes_first() -> None:
    """A ninth domain drives out the one whose templates were not used for longest, with all of them."""
    templates = TemplateCache()
    for domain in range(8):
        learned(templates, *GOOD, domain=domain)
        learned(templates, *GOOD, domain=domain, number=257)
    templates.find(10, 0, 256)
    learned(templates, *GOOD, domain=99)
    assert [templates.find(10, domain, 256) is not None for domain in (0, 1, 2, 99)] == [True, False, True, True]
    assert templates.evicted == 2


def test_all_fields_together_are_bounded() -> None:
    """Templates with very many fields cannot fill the memory."""
    templates = TemplateCache(TemplateLimits(fields=1000))
    for number in range(256, 266):
        learned(templates, *((1, 4),) * 400, number=number)
    assert (len(templates), templates.evicted) == (2, 8)


def test_a_flood_of_templates_is_bounded() -> None:
    """Every id in 20 domains: no more than the limits stay."""
    templates = TemplateCache()
    for domain in range(20):
        for number in range(256, 1256):
            templates.learn(9, domain, number, b"\0\1\0\4")
    assert len(templates) == 512
    assert templates.evicted == 20 * 1000 - 512


def test_versions_are_apart() -> None:
    """NetFlow v9's source id 1 and IPFIX's domain 1 are not the same."""
    templates = TemplateCache()
    learned(templates, *GOOD)
    assert templates.find(9, 1, 256) is None


def test_description() -> None:
    """The page shows every template with names, lengths and kind; it is ready for JSON."""
    templates = TemplateCache()
    learned(templates, (8, 4), (1, 4, 4242), (96, 65535))
    assert json.loads(json.dumps(templates.describe())) == [
        {
            "version": 10,
            "domain": 1,
            "port": 0,
            "id": 256,
            "kind": "data",
            "record_length": "variable",
            "age_seconds": 0.0,
            "restored": False,
            "fields": [
                {"name": "sourceIPv4Address", "id": 8, "pen": 0, "length": 4, "scope": False},
                {"name": "", "id": 1, "pen": 4242, "length": 4, "scope": False},
                {"name": "applicationName", "id": 96, "pen": 0, "length": "variable", "scope": False},
            ],
        }
    ]
