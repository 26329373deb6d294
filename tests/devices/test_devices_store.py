"""The last good list on disk: complete or not there, without secrets, and never in the way of a start."""

from __future__ import annotations

import stat
from pathlib import Path

import attrs
import pytest

from kproxy_tw.devices.device import Device
from kproxy_tw.devices.parse import parse_device
from kproxy_tw.devices.store import DeviceStore
from kproxy_tw.errors import StoreError
from kproxy_tw.testing.offload import inline
from tests.devices.api_objects import api_object, result_of

NOON = 1_735_732_800.0  # 2025-01-01T12:00:00Z


def store(directory: Path, origin: str = "https://api.example.net as a@example.net") -> DeviceStore:
    """A store whose clock stands still."""
    return DeviceStore(directory, origin=origin, offload=inline, wall=lambda: NOON)


def full_device() -> Device:
    """A device with a value in every field."""
    return parse_device(
        api_object(
            7,
            "10.0.0.1",
            "2001:db8::1",
            device_type="router",
            device_subtype="cisco",
            device_flow_type="auto",
            device_status="D",
            device_sample_rate="512",
            max_flow_rate=9000,
            plan={"max_fps": 4000},
            custom_columns="APP=4,HOST=5",
            custom_column_data=[{"col_name": "USER", "field_id": "6", "col_type": "string"}],
            device_snmp_ip="10.0.0.9",
            device_snmp_community="CANARY1",
            device_snmp_v3_conf={"UserName": "CANARY2", "PrivacyPassphrase": "CANARY3"},
            minimize_snmp=True,
        )
    )


def test_what_is_saved_comes_back_without_secrets(tmp_path: Path) -> None:
    """Every field survives but for the SNMP secrets, and those are not in the file."""
    device = full_device()
    result_of(store(tmp_path).save([device]))
    loaded = result_of(store(tmp_path).load())
    assert loaded is not None
    assert loaded.devices == (attrs.evolve(device, snmp_community="", snmp_v3=None),)
    assert b"CANARY" not in (tmp_path / "devices.json").read_bytes()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The directory is made for its owner only, and so is the file."""
    directory = tmp_path / "lib" / "kproxy"
    result_of(store(directory).save([]))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "devices.json").stat().st_mode) == 0o600
    assert [entry.name for entry in directory.iterdir()] == ["devices.json"]


def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    """A first start finds nothing, without a complaint and without making anything."""
    assert result_of(store(tmp_path / "none").load()) is None
    assert not (tmp_path / "none").exists()


def test_another_account_does_not_get_the_list(tmp_path: Path) -> None:
    """A list of another API or account is left alone and not loaded."""
    result_of(store(tmp_path).save([full_device()]))
    assert result_of(store(tmp_path, "https://api.example.org as a@example.net").load()) is None
    assert result_of(store(tmp_path).load()) is not None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 500,
        b'{"format": 1, "devi',
        b'{"format": 99, "devices": []}',
        b"[" * 100_000,
        b'{"format": 1, "origin": "https://api.example.net as a@example.net", "devices": [{}]}',
    ],
    ids=["empty", "zeros", "torn", "foreign", "deep", "no-devices"],
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    """The start goes on without it, the evidence is kept under a dated name, and the next list is saved."""
    (tmp_path / "devices.json").write_bytes(damage)
    assert result_of(store(tmp_path).load()) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["devices.json.bad-20250101T120000Z"]
    assert (tmp_path / "devices.json.bad-20250101T120000Z").read_bytes() == damage
    result_of(store(tmp_path).save([full_device()]))
    assert result_of(store(tmp_path).load()) is not None


def test_a_failed_write_leaves_the_old_list(tmp_path: Path) -> None:
    """When the disk refuses, the error says where and which flag, and the earlier list is still whole."""
    result_of(store(tmp_path).save([full_device()]))
    (tmp_path / "devices.json.tmp").mkdir()
    with pytest.raises(StoreError, match=r"devices\.json.*-state_dir"):
        result_of(store(tmp_path).save([]))
    (tmp_path / "devices.json.tmp").rmdir()
    loaded = result_of(store(tmp_path).load())
    assert loaded is not None
    assert len(loaded.devices) == 1


def test_a_crash_in_the_middle_of_a_write_does_no_harm(tmp_path: Path) -> None:
    """A temporary file that an earlier run left, even as a link, is replaced and never written through."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "devices.json.tmp").symlink_to(victim)
    result_of(store(tmp_path).save([full_device()]))
    assert victim.read_text() == "mine"
    assert not (tmp_path / "devices.json").is_symlink()


def test_an_unreadable_place_is_an_error_for_people(tmp_path: Path) -> None:
    """A directory in the place of the file is reported, not followed by a traceback."""
    (tmp_path / "devices.json").mkdir()
    with pytest.raises(StoreError, match="cannot read"):
        result_of(store(tmp_path).load())
