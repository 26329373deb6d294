"""The one thing that a page changes: the level of the log. By POST, with a token that only our page has."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qsl

from twisted.logger import Logger
from twisted.web.http import BAD_REQUEST, FORBIDDEN, SEE_OTHER
from twisted.web.iweb import IRequest

from kproxy_tw.logbook import CHOICES, LogBook
from kproxy_tw.web.answering import TEXT, answer

FORMS = frozenset({b"/log/level"})
"""Paths that take a form."""

TOKEN_BYTES = 24


class LogLevelForm:
    """Takes the form.

    :param book: is told the new level.
    :ivar token: what the form has to bring; another one after each start.
    """

    log = Logger()

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self.token = secrets.token_urlsafe(TOKEN_BYTES)

    def answer(self, request: IRequest) -> bytes:
        """Change the level and lead back to the page, or say why not."""
        form = dict(parse_qsl(request.content.read().decode("utf-8", "replace"), max_num_fields=8))
        if not hmac.compare_digest(form.get("token", "").encode(), self.token.encode()):
            text = "The form is not from this page, or from before a restart; load the page again.\n"
            return answer(request, text, TEXT, FORBIDDEN)
        level = form.get("level", "")
        if level not in CHOICES:
            return answer(request, f"The level must be one of {', '.join(CHOICES)}.\n", TEXT, BAD_REQUEST)
        before = self._book.level
        self._book.change(level)
        self.log.warn("log level changed from {old} to {new} on the page", old=before, new=level)
        request.setHeader("Location", "/log")
        return answer(request, b"", TEXT, SEE_OTHER)
