from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ControlAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTROL_ACTION_UNSPECIFIED: _ClassVar[ControlAction]
    CONTROL_ACTION_BLOCK_IP: _ClassVar[ControlAction]
    CONTROL_ACTION_KEEPALIVE: _ClassVar[ControlAction]

class DataAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_ACTION_UNSPECIFIED: _ClassVar[DataAction]
    DATA_ACTION_KILL: _ClassVar[DataAction]
    DATA_ACTION_RESTART: _ClassVar[DataAction]
CONTROL_ACTION_UNSPECIFIED: ControlAction
CONTROL_ACTION_BLOCK_IP: ControlAction
CONTROL_ACTION_KEEPALIVE: ControlAction
DATA_ACTION_UNSPECIFIED: DataAction
DATA_ACTION_KILL: DataAction
DATA_ACTION_RESTART: DataAction

class KeyVal(_message.Message):
    __slots__ = ("key", "val")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VAL_FIELD_NUMBER: _ClassVar[int]
    key: str
    val: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, key: _Optional[str] = ..., val: _Optional[_Iterable[str]] = ...) -> None: ...

class ControlRequest(_message.Message):
    __slots__ = ("proto", "device_ip", "device_port", "proxy_ip", "proxy_port", "action")
    PROTO_FIELD_NUMBER: _ClassVar[int]
    DEVICE_IP_FIELD_NUMBER: _ClassVar[int]
    DEVICE_PORT_FIELD_NUMBER: _ClassVar[int]
    PROXY_IP_FIELD_NUMBER: _ClassVar[int]
    PROXY_PORT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    proto: str
    device_ip: str
    device_port: int
    proxy_ip: str
    proxy_port: int
    action: ControlAction
    def __init__(self, proto: _Optional[str] = ..., device_ip: _Optional[str] = ..., device_port: _Optional[int] = ..., proxy_ip: _Optional[str] = ..., proxy_port: _Optional[int] = ..., action: _Optional[_Union[ControlAction, str]] = ...) -> None: ...

class ControlResponse(_message.Message):
    __slots__ = ("proto", "device_ip", "device_port", "proxy_ip", "proxy_port", "ttl_seconds", "ttl_counter", "action", "metadata", "company_id", "device_id", "device_name", "tcp_md5")
    PROTO_FIELD_NUMBER: _ClassVar[int]
    DEVICE_IP_FIELD_NUMBER: _ClassVar[int]
    DEVICE_PORT_FIELD_NUMBER: _ClassVar[int]
    PROXY_IP_FIELD_NUMBER: _ClassVar[int]
    PROXY_PORT_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TTL_COUNTER_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    COMPANY_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    TCP_MD5_FIELD_NUMBER: _ClassVar[int]
    proto: str
    device_ip: str
    device_port: int
    proxy_ip: str
    proxy_port: int
    ttl_seconds: int
    ttl_counter: int
    action: ControlAction
    metadata: _containers.RepeatedCompositeFieldContainer[KeyVal]
    company_id: int
    device_id: int
    device_name: str
    tcp_md5: bytes
    def __init__(self, proto: _Optional[str] = ..., device_ip: _Optional[str] = ..., device_port: _Optional[int] = ..., proxy_ip: _Optional[str] = ..., proxy_port: _Optional[int] = ..., ttl_seconds: _Optional[int] = ..., ttl_counter: _Optional[int] = ..., action: _Optional[_Union[ControlAction, str]] = ..., metadata: _Optional[_Iterable[_Union[KeyVal, _Mapping]]] = ..., company_id: _Optional[int] = ..., device_id: _Optional[int] = ..., device_name: _Optional[str] = ..., tcp_md5: _Optional[bytes] = ...) -> None: ...

class DataRequest(_message.Message):
    __slots__ = ("action", "data")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    action: DataAction
    data: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, action: _Optional[_Union[DataAction, str]] = ..., data: _Optional[_Iterable[bytes]] = ...) -> None: ...

class DataResponse(_message.Message):
    __slots__ = ("action", "data")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    action: DataAction
    data: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, action: _Optional[_Union[DataAction, str]] = ..., data: _Optional[_Iterable[bytes]] = ...) -> None: ...
