# SPDX-License-Identifier: MIT
"""The names that plugins of the runtime SDK import."""
import enum
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional


class Encoding(str, enum.Enum):
    plain = "plain"
    zip = "zip"
    squashfs = "squashfs"


class Interface(str, enum.Enum):
    asgi = "asgi"
    executable = "executable"


class ShutdownException(Exception):
    pass


@dataclass
class Volume:
    mount: str
    device: str
    read_only: bool


@dataclass
class NetworkPluginParameters:
    ip: Optional[str] = None
    route: Optional[str] = None
    dns_servers: List[str] = field(default_factory=list)


@dataclass
class ConfigurationPayload:
    code: bytes
    encoding: Encoding
    entrypoint: str
    input_data: bytes
    interface: Interface
    vm_hash: str
    ip: Optional[str] = None
    route: Optional[str] = None
    dns_servers: List[str] = field(default_factory=list)
    volumes: List[Volume] = field(default_factory=list)
    variables: Optional[Dict[str, str]] = None


@dataclass
class RunCodePayload:
    scope: Dict


ASGIApplication = Any
VariablesPlugin = Callable[[Dict[str, str]], Any]
HostnamePlugin = Callable[[str], Any]
VolumesPlugin = Callable[[List[Volume]], Any]
NetworkPlugin = Callable[[NetworkPluginParameters], Any]
SystemPlugin = Callable[[ConfigurationPayload], Any]


@dataclass
class Plugins:
    """One function a stage; those left out do nothing."""
    before_system: Optional[SystemPlugin] = None
    before_hostname: Optional[HostnamePlugin] = None
    after_hostname: Optional[HostnamePlugin] = None
    before_variables: Optional[VariablesPlugin] = None
    after_variables: Optional[VariablesPlugin] = None
    before_volumes: Optional[VolumesPlugin] = None
    after_volumes: Optional[VolumesPlugin] = None
    before_network: Optional[NetworkPlugin] = None
    after_network: Optional[NetworkPlugin] = None
    after_system: Optional[SystemPlugin] = None
