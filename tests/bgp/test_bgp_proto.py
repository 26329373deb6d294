"""The generated code is what protoc makes of ktbgp.proto today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from kproxy_tw.bgp.proto import ktbgp_pb2
from tests import source

PROTO = "kproxy_tw/bgp/proto/ktbgp.proto"
GENERATED = ("ktbgp_pb2.pyi", "ktbgp_pb2_grpc.py")
FOLDER = Path(ktbgp_pb2.__file__).parent


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate everything again, beside a descriptor set."""
    out = tmp_path_factory.mktemp("proto")
    options = [f"-I{source.ROOT}", f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main(["protoc", *options, f"--descriptor_set_out={out / 'set'}", str(source.ROOT / PROTO)]) == 0
    return out


def test_messages_are_current(fresh: Path) -> None:
    """Every message, number and type is what the .proto says, whichever release of protoc made the code."""
    (wanted,) = FileDescriptorSet.FromString((fresh / "set").read_bytes()).file
    for message in wanted.message_type:
        for field in message.field:
            field.ClearField("json_name")  # which only protoc's own sets name
    committed = FileDescriptorProto()
    ktbgp_pb2.DESCRIPTOR.CopyToProto(committed)
    assert committed == wanted


@pytest.mark.parametrize("name", GENERATED)
def test_stubs_are_current(fresh: Path, name: str) -> None:
    """Stubs and service code are as generated; a release's number may differ."""

    def text(folder: Path) -> str:
        return re.sub(r"'\d+\.\d+\.\d+'", "'release'", (folder / name).read_text(encoding="utf-8"))

    assert text(FOLDER) == text((fresh / PROTO).parent)


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ("ControlRequest", {"proto": 1, "device_ip": 2, "device_port": 3, "proxy_ip": 4, "proxy_port": 5, "action": 8}),
        ("ControlResponse", {"ttl_seconds": 6, "ttl_counter": 7, "metadata": 9, "device_name": 12, "tcp_md5": 13}),
        ("KeyVal", {"key": 1, "val": 2}),
        ("DataRequest", {"action": 1, "data": 2}),
        ("DataResponse", {"action": 1, "data": 2}),
    ],
)
def test_numbers_of_the_published_service(message: str, numbers: dict[str, int]) -> None:
    """The fields stand at the numbers that the public schema gave them."""
    fields = ktbgp_pb2.DESCRIPTOR.message_types_by_name[message].fields_by_name
    assert {name: fields[name].number for name in numbers} == numbers


def test_paths_of_the_published_service() -> None:
    """The HTTP/2 paths come out as published."""
    (service,) = ktbgp_pb2.DESCRIPTOR.services_by_name.values()
    assert service.full_name == "kentik.ktbgp.v202203beta2.ProxyService"
    assert [method.name for method in service.methods] == ["Control", "Data"]
