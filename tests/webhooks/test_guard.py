import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from threading import Event

import pytest
from aiohttp import ClientError, ClientSession
from callback_receiver import GUARD, LOOPBACK, Receiver, reply, wait_until
from dict_outbox import DictOutbox
from free_port import free_port
from hypothesis import given
from hypothesis import strategies as st
from spellings import ELSEWHERE, PUBLIC
from spellings import LOOPBACK as LOOPBACK_SPELLINGS

from procession.webhooks.addresses import embedded, parse_networks, why_refused
from procession.webhooks.delivery import DeliveryState
from procession.webhooks.guard import PORTS_REFUSED, AddressGuard, AddressRefused, UrlRefused
from procession.webhooks.lookup import SystemLookup
from procession.webhooks.sender import Sender
from procession.webhooks.session import open_session
from procession.webhooks.visit import Limits

STRICT = AddressGuard()
REFUSED = LOOPBACK_SPELLINGS + ELSEWHERE


class _Connects:
    """Every connect of this process while `places` is a list; an audit hook cannot be removed."""

    places: list[object] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _Connects.places is not None:
        _Connects.places.append(arguments[1])


sys.addaudithook(_note)


@contextmanager
def connects() -> Iterator[list[object]]:
    found: list[object] = []
    _Connects.places = found
    yield found
    _Connects.places = None


class Names:
    """Answers for names: the next of the given answers each time, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


async def get(guard: AddressGuard, url: str, tls: ssl.SSLContext | None = None) -> int:
    async with (
        open_session(guard, total_ms=5_000, connect_ms=5_000, tls=tls) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        return response.status


def test_the_list_of_spellings_is_as_long_as_promised() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 150


def test_no_spelling_of_a_private_address_is_ever_connected() -> None:
    receiver, outbox = Receiver(), DictOutbox()

    async def send_all() -> None:
        limits = Limits(hosts_max=500, page_max=1_000)
        async with Sender(outbox, STRICT, chance=lambda: 0, limits=limits) as sender:
            await sender.step(0)

    with receiver.listening() as address, connects() as connected:
        port = address.rsplit(":", 1)[1]
        for spelling in REFUSED:
            outbox.add(spelling.replace("{port}", port), origin=f"of {spelling}")
        asyncio.run(send_all())
    assert connected == []
    assert receiver.connections == 0
    assert len(outbox.outcomes) == len(REFUSED)
    for outcome in outbox.outcomes:
        assert outcome.answer.status is None
        assert outcome.answer.error is not None
        assert "Refused" in outcome.answer.error, outbox.rows[outcome.delivery_id].delivery.url


def test_the_plain_spelling_is_connected_once_the_network_is_allowed() -> None:
    receiver = Receiver()
    with receiver.listening() as address, connects() as connected:
        assert asyncio.run(get(GUARD, address)) == 200
    assert receiver.connections == len(connected) == 1


@pytest.mark.parametrize("url", [url for url in REFUSED if "localhost:" not in url.lower()])
def test_a_spelling_is_refused_before_any_lookup(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        STRICT.check_url(url.replace("{port}", "8080"), "callback.url")
    assert refused.value.field == "callback.url"
    assert refused.value.rule
    assert "callback.url" in str(refused.value)


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_url_is_let_through(url: str) -> None:
    target = STRICT.check_url(url)
    assert target.scheme in url.lower()
    assert target.host.isascii()
    assert STRICT.check_url(str(target.url)).origin == target.origin


def test_an_origin_always_names_its_port() -> None:
    assert STRICT.check_url("https://Example.com/a").origin == "https://example.com:443"
    assert STRICT.check_url("http://[2A00::1]/a").origin == "http://[2a00::1]:80"


@pytest.mark.parametrize("url", ["http://a/#", "http://a#b", "http://a/?b#", "http://a/b#/c"])
def test_a_fragment_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused, match="fragment"):
        STRICT.check_url(url)


def test_a_long_url_is_refused_and_shown_short() -> None:
    with pytest.raises(UrlRefused, match="2048") as refused:
        STRICT.check_url("http://a/" + "x" * 3_000)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("host", ["a" * 64 + ".com", ".".join(["a" * 60] * 5), "-a.com", "a-.com"])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(UrlRefused):
        STRICT.check_url(f"http://{host}/")


@pytest.mark.parametrize("port", ["0", "65536", "99999", "080", "-1", "\uff18\uff10", "1e3", ""])
def test_an_odd_port_is_refused_or_means_itself(port: str) -> None:
    if port == "080":
        assert STRICT.check_url(f"http://a:{port}/").port == 80
    else:
        with pytest.raises(UrlRefused):
            STRICT.check_url(f"http://a:{port}/")


@pytest.mark.parametrize("port", sorted(PORTS_REFUSED))
def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(UrlRefused, match=f"port {port} "):
        STRICT.check_url(f"http://example.com:{port}/")


def test_a_list_of_ports_is_exact() -> None:
    guard = AddressGuard(ports=frozenset({443}))
    assert guard.check_url("https://example.com/").port == 443
    with pytest.raises(UrlRefused, match="port 80 "):
        guard.check_url("http://example.com/")


@given(st.text(max_size=80))
def test_any_text_is_a_target_or_a_refusal(text: str) -> None:
    for url in (text, "http://" + text, f"http://{text}:8080/"):
        try:
            target = STRICT.check_url(url)
        except UrlRefused:
            continue
        assert target.host.isascii()
        assert 1 <= target.port <= 65535


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_a_carrier_of_a_refused_address_is_refused_even_when_carriers_are_allowed(
    inner: IPv4Address,
) -> None:
    allow = parse_networks("64:ff9b::/96 2002::/16 ::ffff:0:0/96 2001::/32")
    number = int(inner)
    carriers = [
        IPv6Address((0x0064FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | (number ^ 0xFFFFFFFF)),
    ]
    for carrier in carriers:
        assert inner in embedded(carrier)
        assert why_refused(carrier, ()) is not None
        assert (why_refused(carrier, allow) is None) == (why_refused(inner, ()) is None)


@given(st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_is_let_through_is_global(address: IPv4Address | IPv6Address) -> None:
    if why_refused(address, ()) is None:
        assert address.is_global
        assert not (address.is_private or address.is_multicast or address.is_reserved)
        assert not (address.is_loopback or address.is_link_local or address.is_unspecified)


def test_only_the_allowed_network_is_opened() -> None:
    GUARD.check_address("127.0.0.1")
    for address in ("::1", "::ffff:127.0.0.1", "10.0.0.1", "128.0.0.0.1", "fe80::1%lo", ""):
        with pytest.raises(AddressRefused):
            GUARD.check_address(address)
    AddressGuard(allow=parse_networks("::1/128")).check_address(ip_address("::1"))


@pytest.mark.parametrize("text", ["127.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8;::/0"])
def test_a_wrong_network_in_the_settings_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.split("/", maxsplit=1)[0].split(";", maxsplit=1)[0]):
        parse_networks(text)


def test_networks_are_read_from_the_settings() -> None:
    found = [str(network) for network in parse_networks("127.0.0.0/8, fd00::/8  10.1.2.3")]
    assert found == ["127.0.0.0/8", "fd00::/8", "10.1.2.3/32"]


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["8.8.8.8", "8.8.4.4", "::ffff:127.0.0.1"],
        ["2a00:1450:4001:800::200e", "fd00:ec2::254"],
        ["8.8.8.8", "fe80::1%lo"],
        ["8.8.8.8", "not an address"],
        ["8.8.8.8"] * 65,
    ],
)
def test_one_bad_answer_refuses_the_whole_name(answers: list[str]) -> None:
    with connects() as connected, pytest.raises(AddressRefused) as refused:
        asyncio.run(get(AddressGuard(lookup=Names(answers)), "http://mixed.example/"))
    assert connected == []
    assert "mixed.example" in str(refused.value)
    assert "127.0.0.1" not in str(refused.value)


def test_a_name_without_an_address_is_a_failure_not_a_refusal() -> None:
    with pytest.raises(ClientError, match=r"mixed\.example"):
        asyncio.run(get(AddressGuard(lookup=Names([])), "http://mixed.example/"))


def test_the_address_checked_is_the_address_connected() -> None:
    """The name moves to a private address right after it was checked."""
    good, evil = Receiver(replies=[reply(200, Connection="close")]), Receiver()
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    guard = AddressGuard(allow=parse_networks("127.0.0.2/32"), lookup=names)
    port = free_port()
    with (
        good.listening("127.0.0.2", port),
        connects() as connected,
        evil.listening("127.0.0.1", port),
    ):
        url = f"http://rebind.example:{port}/"
        guard.check_url(url)
        assert asyncio.run(get(guard, url)) == 200
        assert names.asked == ["rebind.example"]
        with pytest.raises(AddressRefused):
            asyncio.run(get(guard, url))
    assert connected == [("127.0.0.2", port)]
    assert (good.connections, evil.connections) == (1, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_literal_address_does_not_slip_past_the_resolver(host: str) -> None:
    """Asked of the session directly, without `check_url` before it."""
    receiver = Receiver()
    with receiver.listening() as address, connects() as connected:
        port = address.rsplit(":", 1)[1]
        with pytest.raises(AddressRefused):
            asyncio.run(get(STRICT, f"http://{host}:{port}/"))
    assert connected == []
    assert receiver.connections == 0


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, receiver = Receiver(), Receiver()
    with proxy.listening() as proxy_address, receiver.listening() as address:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setitem(os.environ, name, proxy_address)
        assert asyncio.run(get(GUARD, address)) == 200
    assert (proxy.connections, receiver.connections) == (0, 1)


def _certificate(folder: Path, names: str) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [
            *command.split(),
            *("-subj", "/CN=receiver", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


@pytest.mark.parametrize(
    ("names", "host", "is_trusted", "passes"),
    [
        ("DNS:hook.example", "hook.example", True, True),
        ("DNS:other.example", "hook.example", True, False),
        ("DNS:hook.example", "hook.example", False, False),
        ("IP:127.0.0.1", "127.0.0.1", True, True),
        ("DNS:hook.example", "127.0.0.1", True, False),
    ],
)
def test_a_certificate_must_be_trusted_and_name_the_host(
    tmp_path: Path, names: str, host: str, is_trusted: bool, passes: bool
) -> None:
    key, certificate = _certificate(tmp_path, names)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    trust = ssl.create_default_context(cafile=str(certificate)) if is_trusted else None
    guard = AddressGuard(allow=LOOPBACK, lookup=Names(["127.0.0.1"]))
    receiver = Receiver(tls=server)
    with receiver.listening() as address:
        url = f"https://{host}:{address.rsplit(':', 1)[1]}/"
        if passes:
            assert asyncio.run(get(guard, url, trust)) == 200
        else:
            with pytest.raises(ClientError, match="certificate"):
                asyncio.run(get(guard, url, trust))
            assert receiver.received == []


def test_the_system_resolver_is_asked_for_every_address() -> None:
    async def lookups() -> None:
        assert "127.0.0.1" in await STRICT.lookup("127.0.0.1", 80)
        with pytest.raises(AddressRefused):
            await STRICT.resolve("localhost", 80)
        with pytest.raises(OSError, match="not known"):
            await STRICT.resolve("no-such-name.invalid", 80)

    asyncio.run(lookups())


def test_hanging_lookups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that never answers holds its own thread, and no more threads than allowed."""
    let_go = Event()

    def hang(*_: object, **__: object) -> list[object]:
        let_go.wait(30)
        raise socket.gaierror(-3, "no answer")

    async def ask() -> None:
        lookup = SystemLookup(lookups_max=2)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(lookup("hang.example", 80), 0.05)
        with pytest.raises(OSError, match="too many"):
            await lookup("hang.example", 80)
        let_go.set()
        await asyncio.to_thread(wait_until, lambda: lookup.places_free == 2)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    asyncio.run(ask())


def test_a_session_keeps_no_cookies() -> None:
    receiver = Receiver(replies=[reply(200, Set_Cookie="a=b; Path=/")])

    async def twice(session: ClientSession, address: str) -> None:
        for _ in range(2):
            async with session.get(address) as response:
                await response.read()

    async def visit(address: str) -> None:
        guard = AddressGuard(allow=LOOPBACK, lookup=Names(["127.0.0.1"]))
        async with open_session(guard, total_ms=5_000, connect_ms=5_000) as session:
            await twice(session, address)

    with receiver.listening() as address:
        asyncio.run(visit(address.replace("127.0.0.1", "hook.example")))
    assert all("cookie" not in request.headers for request in receiver.received)
    assert len(receiver.received) == 2


def test_a_refused_delivery_is_tried_again_by_schedule() -> None:
    """A name may point to a wrong address for a while."""
    outbox = DictOutbox()
    outbox.add("http://127.0.0.1:8080/")

    async def send() -> None:
        async with Sender(outbox, STRICT, chance=lambda: 0) as sender:
            await sender.step(0)

    asyncio.run(send())
    assert outbox.outcomes[0].state == DeliveryState.PENDING
