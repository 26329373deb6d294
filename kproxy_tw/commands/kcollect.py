"""``kcollect`` for twistd: its options, and its service."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import IService

from kproxy_tw.commands.flags_kcollect import KCOLLECT_FLAGS
from kproxy_tw.commands.grpc_polling import poll_directly
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.startup import command_service


class Options(CommandOptions):
    """The command line of ``kcollect``."""

    command = "kcollect"
    flags = KCOLLECT_FLAGS


def makeService(options: Options) -> IService:
    """Make the service of ``kcollect``."""

    def build(reactor: Any) -> IService:
        poll_directly(os.environ)
        from kproxy_tw.assembly import kcollect_service
        from kproxy_tw.commands.configuration import kcollect_config

        return kcollect_service(kcollect_config(options), reactor)

    return command_service(options, build)
