"""Where a fetch may connect: public addresses on web ports, each checked and then connected to, until a deadline."""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpcore2

from newsletter import settings
from newsletter.errors import FetchRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Global by IANA's registry and yet not public: 6to4 relays, and the address at which Azure serves its machines.
_REFUSED = tuple(ipaddress.ip_network(network) for network in ("192.88.99.0/24", "168.63.129.16/32"))
# IPv6 addresses that carry an IPv4 address, which decides (RFC 6052, RFC 4291 2.5.5).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# All of IPv6 that IANA has given out so far; the deprecated site-local fec0::/10 is "global" to Python.
_UNICAST = ipaddress.IPv6Network("2000::/3")


def check_url(url: str) -> str:
    """The host of an address that may be asked; raises FetchRefused for any other."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise FetchRefused("This is not a complete web address.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise FetchRefused("Only addresses that begin with http:// or https:// are fetched.")
    if parts.username is not None or parts.password is not None:
        raise FetchRefused("An address with a name or password in it is not fetched.")
    return host


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet: not private, loopback, link-local, shared, multicast or reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        if (inner := _carried(address)) is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    if any(address in network for network in _REFUSED if network.version == address.version):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    )


def lookup(host: str, port: int) -> list[str]:
    """The addresses a host name resolves to."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


class Backend(httpcore2.NetworkBackend):
    """Connects for httpcore2: resolves once, checks every address, connects to a checked one."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._resolve(host, port)
        for address in addresses:
            _check(host, port, ipaddress.ip_address(address))
        problem: Exception = httpcore2.ConnectError()
        for address in addresses:
            try:
                left = _left(self._deadline, httpcore2.ConnectTimeout)
                stream = self._network.connect_tcp(address, port, left, local_address, socket_options)
                return _Timed(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem

    def _resolve(self, host: str, port: int) -> list[str]:
        # getaddrinfo knows no deadline; in a thread of its own it cannot hold us.
        answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(lookup(host, port))
            except (OSError, UnicodeError) as error:
                answers.put(OSError(str(error)))

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=_left(self._deadline, httpcore2.ConnectTimeout))
        except queue.Empty:
            raise httpcore2.ConnectTimeout from None
        if isinstance(answer, OSError) or not answer:
            raise FetchRefused(f"There is no host {host}.")
        return answer


class _Timed(httpcore2.NetworkStream):
    """A connection whose reads and writes share one deadline: a server that trickles cannot hold us."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, _left(self._deadline, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _left(self._deadline, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        left = _left(self._deadline, httpcore2.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _check(host: str, port: int, address: Address) -> None:
    present = settings.current()
    inner = _carried(address) if isinstance(address, ipaddress.IPv6Address) else None
    is_here = (inner or address).is_loopback
    if is_here and present.is_development:
        return
    if not is_public(address):
        raise FetchRefused(f"{host} is on a private network and is not fetched.")
    if port not in present.fetch_ports:
        raise FetchRefused(f"Port {port} of {host} is not a web port and is not fetched.")


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _left(deadline: float, exception: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise exception
    return left
