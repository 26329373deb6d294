"""``python -m kproxy_tw.snmp.process.app``: polls devices; settings come in, and readings go out, through AMP.

Nothing is on its command line or in its environment. It ends when its standard input does.
"""

from __future__ import annotations

import sys
import time
from typing import Any


def main() -> int:
    """Run until standard input ends; the exit status."""
    from twisted.internet import asyncioreactor

    asyncioreactor.install()
    from twisted.internet import reactor as installed
    from twisted.internet.stdio import StandardIO
    from twisted.logger import (
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        globalLogBeginner,
        textFileLogObserver,
    )

    from kproxy_tw.snmp.polling.protocol import PollingProtocol

    reactor: Any = installed
    reactor.seconds = time.monotonic  # its timers would follow the wall clock
    worth_telling = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr, timeFormat=None), [worth_telling])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)

    def ended() -> None:
        if reactor.running:
            reactor.stop()

    StandardIO(PollingProtocol(ended))
    reactor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
