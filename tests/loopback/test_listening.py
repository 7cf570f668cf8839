"""Several processes on one port: the kernel deals clients out, and only where that was asked for (SO_REUSEPORT)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest

from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.server import Server
from smtpguard.upstream.target import Target
from tests.loopback.door import Client, PassingFlow
from tests.loopback.fake_upstream import FakeUpstream

HOSTS = ["127.0.0.1", "::1", "::"]
CLIENTS = 64


def server(up: FakeUpstream, host: str, port: int, *, reuse_port: bool) -> Server:
    target = Target(up.host, up.port)
    options = ListenerOptions(
        host, port, target=target, auth_required=False, connections_per_address=1000, reuse_port=reuse_port
    )
    return Server(PassingFlow(), [options], shutdown=5)


@pytest.mark.parametrize("host", HOSTS)
async def test_two_servers_share_a_port_and_both_get_clients(host: str) -> None:
    if host != "127.0.0.1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    async with FakeUpstream() as up, AsyncExitStack() as stack:
        one = server(up, host, 0, reuse_port=True)
        await one.start()
        stack.push_async_callback(one.stop)
        two = server(up, host, one.ports[0], reuse_port=True)
        await two.start()
        stack.push_async_callback(two.stop)
        assert one.ports == two.ports

        for _ in range(CLIENTS):
            reached = "127.0.0.1" if host == "::" else host
            client = Client(*await asyncio.open_connection(reached, one.ports[0]))
            stack.push_async_callback(client.close)
            assert (await client.reply()).startswith(b"220")
        # Dealt out by a hash of addresses and ports: that one of them gets all has the odds of 2 to the 63rd.
        assert one.sessions > 0
        assert two.sessions > 0
        assert CLIENTS == one.sessions + two.sessions

        # One goes, and whoever comes now is the other's.
        await one.stop()
        there = two.sessions
        for _ in range(8):
            client = Client(*await asyncio.open_connection(reached, two.ports[0]))
            stack.push_async_callback(client.close)
            assert (await client.reply()).startswith(b"220")
        assert there + 8 == two.sessions


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("reuse", [(False, False), (True, False), (False, True)], ids=str)
async def test_a_port_is_not_shared_with_who_did_not_ask_for_it(host: str, reuse: tuple[bool, bool]) -> None:
    if host != "127.0.0.1" and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    async with FakeUpstream() as up:
        one = server(up, host, 0, reuse_port=reuse[0])
        await one.start()
        two = server(up, host, one.ports[0], reuse_port=reuse[1])
        with pytest.raises(OSError, match="in use"):
            await two.start()
        await one.stop()
