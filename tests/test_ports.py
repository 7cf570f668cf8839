"""Ports that tests listen at."""

from tests.ports import FIRST, LAST, free_ports


def test_no_port_is_given_twice() -> None:
    given = [port for _ in range(300) for port in free_ports(2)]

    assert len(set(given)) == len(given)
    assert all(FIRST <= port < LAST for port in given)
