"""The page as the settings have it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from smtpguard.config.settings import Settings
from smtpguard.deciding import Deciding
from smtpguard.notices.site import Site
from smtpguard.policy import Policy
from smtpguard.web.answers import Answers, PageOptions, Show
from smtpguard.web.door import WebDoor, place_of
from smtpguard.web.pages import Pages, Unready
from smtpguard.web.rules import RulesPages


def page_door(
    settings: Callable[[], Settings],
    policy: Callable[[], Policy],
    site: Callable[[], Site],
    deciding: Deciding | None,
    take: Callable[[str], socket.socket],
    unready: Unready | None = None,
) -> WebDoor | None:
    """The door of the page, still shut; None if the settings have none. `deciding` is None where no mail can be held,
    and `take` gives the socket that systemd passes by a name.

    `unready` says why no mail can be taken, where the page is asked for that. `settings`, `policy` and `site` are
    asked at each request; section `web` is read once.
    """
    said, origin = settings().web, settings().public_url
    if said is None or origin is None:
        return None
    show = Show(said.show)

    def options() -> PageOptions:
        return PageOptions(origin, show, said.forwarded_from, settings().limits.wrong_codes_per_minute)

    answers = None if deciding is None else Answers(deciding, site, options)
    rules = RulesPages(lambda: (settings(), policy()))
    listen = place_of(said.listen, take)
    return WebDoor(Pages(answers, rules, site, show, origin, said.forwarded_from, unready), listen, origin)
