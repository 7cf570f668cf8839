"""Who gives way on the page, and to whom."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from smtpguard.web import shares
from smtpguard.web.asking import told_client
from smtpguard.web.shares import CONNECTIONS_MAX, CONNECTIONS_PER_CLIENT_MAX, Places

PROXY = "10.0.0.1"
PROXIES = (ip_network(PROXY), ip_network("10.0.0.2"))


class Visit:
    """A connection, as its door sees it."""

    def __init__(self, is_awaited: bool = True) -> None:
        self.is_awaited = is_awaited
        self.is_gone = False

    def let_go(self) -> None:
        self.is_gone = True


def enter(places: Places, host: str | None, *visits: Visit) -> list[bool]:
    return [places.take(each, host) for each in visits]


def test_the_oldest_of_a_client_gives_way_to_its_next_and_never_one_that_is_worked_for() -> None:
    places = Places(PROXIES)
    busy, first, second = Visit(is_awaited=False), Visit(), Visit()
    others = [Visit() for _ in range(CONNECTIONS_PER_CLIENT_MAX - 3)]
    enter(places, "192.0.2.1", busy, first, second, *others)

    assert [True] == enter(places, "192.0.2.1", Visit())
    assert (False, True, False) == (busy.is_gone, first.is_gone, second.is_gone)
    assert [True] == enter(places, "192.0.2.2", Visit())
    assert not second.is_gone


def test_a_client_for_whom_all_that_it_may_have_is_worked_on_has_to_wait() -> None:
    places = Places(PROXIES)
    busy = [Visit(is_awaited=False) for _ in range(CONNECTIONS_PER_CLIENT_MAX)]
    enter(places, "192.0.2.1", *busy)

    assert [False] == enter(places, "192.0.2.1", Visit())
    assert [True] == enter(places, "192.0.2.2", Visit())
    places.leave(busy[0])
    assert [True] == enter(places, "192.0.2.1", Visit())


def test_whoever_has_most_gives_way_where_all_places_are_taken_and_a_proxy_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "CONNECTIONS_MAX", 8)
    places = Places(PROXIES)
    proxied, lone, many = [Visit() for _ in range(4)], Visit(), [Visit() for _ in range(3)]
    enter(places, PROXY, *proxied)
    enter(places, "192.0.2.1", lone)
    enter(places, "192.0.2.2", *many)

    assert [True, True] == enter(places, "192.0.2.3", Visit(), Visit())
    assert [True, True, False] == [each.is_gone for each in many]
    for each in range(10):
        enter(places, f"192.0.3.{each}", Visit(is_awaited=False))
    assert lone.is_gone
    assert all(each.is_gone for each in proxied)  # whoever is worked for stays, so they had to
    assert [False] == enter(places, "192.0.2.9", Visit())


def test_a_proxy_and_a_socket_of_the_file_system_may_have_all_places() -> None:
    for host in (PROXY, None):
        places = Places(PROXIES)
        visits = [Visit() for _ in range(CONNECTIONS_MAX)]

        assert all(enter(places, host, *visits))
        assert not any(each.is_gone for each in visits)


def test_a_network_of_ipv6_is_one_client() -> None:
    places = Places(())
    first = Visit()
    enter(places, "2001:db8:1:2::1", first)
    for each in range(CONNECTIONS_PER_CLIENT_MAX):
        enter(places, f"2001:db8:1:2::{each + 2:x}", Visit())

    assert first.is_gone


def test_who_left_takes_no_place() -> None:
    places = Places(())
    for _ in range(3 * CONNECTIONS_MAX):
        visit = Visit(is_awaited=False)
        assert places.take(visit, "192.0.2.1")
        places.leave(visit)
        places.leave(visit)


@pytest.mark.parametrize(
    ("host", "forwarded", "client"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        (PROXY, ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        (PROXY, [], None),
        (PROXY, ["unknown"], None),
        (None, [], None),
        (None, ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
    ],
)
def test_a_client_is_told_by_proxies_alone(host: str | None, forwarded: list[str], client: str | None) -> None:
    assert client == told_client(host, forwarded, PROXIES)
