"""The sockets of several workers at one address."""

from __future__ import annotations

import errno
import socket
from contextlib import closing

import pytest

from smtpguard.listener.sockets import bound, bound_like


def test_clients_are_dealt_out_among_all_that_listen() -> None:
    sockets = [each for sockets in bound("127.0.0.1", 0, 3) for each in sockets]
    port = sockets[0].getsockname()[1]
    assert [port] * 3 == [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.listen(100)
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]

    assert all(waiting(each) for each in sockets)
    for each in (*clients, *sockets):
        each.close()


def test_an_address_that_somebody_has_is_refused_also_if_he_shares_it_with_his_own() -> None:
    ((first,), (second,)) = bound("127.0.0.1", 0, 2)
    with closing(first), closing(second):
        first.listen()
        with pytest.raises(OSError, match="in use") as refused:
            bound("127.0.0.1", first.getsockname()[1], 2)

        assert errno.EADDRINUSE == refused.value.errno


def test_a_closed_socket_is_made_anew_beside_those_that_are_open() -> None:
    ((first,), (second,)) = bound("127.0.0.1", 0, 2)
    (again,) = bound_like((first,))
    first.close()
    with closing(second), closing(again):
        second.listen()
        again.listen()

        assert second.getsockname() == again.getsockname()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_the_address_of_everybody_takes_both_families() -> None:
    ((opened,),) = bound("::", 0, 1)
    with closing(opened):
        opened.listen()
        socket.create_connection(("127.0.0.1", opened.getsockname()[1])).close()


def waiting(opened: socket.socket) -> bool:
    """True if a client waits there."""
    opened.setblocking(False)
    try:
        opened.accept()[0].close()
    except BlockingIOError:
        return False
    return True
