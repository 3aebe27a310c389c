"""Get a document from an address that somebody else wrote, without being led anywhere private or held up."""

import functools
import ssl
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin

import httpcore2
import httpx2

from newsletter import settings
from newsletter.errors import FetchRefused
from newsletter.fetching import guard

_Answer = TypeVar("_Answer")
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Fetched:
    """What an address answered: after redirects and decompression; status 304 has no content."""

    url: str
    status: int
    content: bytes
    content_type: str
    etag: str
    last_modified: str


def get(url: str, *, etag: str = "", last_modified: str = "", accept: str = "*/*", limit: int | None = None) -> Fetched:
    """The document at `url`, at most `limit` bytes (settings.fetch_bytes); raises FetchRefused, one sentence.

    Every address a name resolves to is checked, also after each redirect, and the checked one is connected to
    (OWASP SSRF prevention). The deadline settings.fetch_time is for the whole, redirects included.
    """
    present = settings.current()
    seconds = present.fetch_time.total_seconds()
    deadline = time.monotonic() + seconds
    headers = _headers(accept)
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    with _client(deadline) as client:
        return _follow(url, lambda at: _ask(client, at, headers, limit or present.fetch_bytes), seconds)


def status_of(url: str) -> int:
    """The HTTP status a document answers with after redirects, none of it read; raises FetchRefused as `get` does.

    Asked by HEAD, and once more by GET where that is not answered with 2xx: some servers know no HEAD, some lie.
    """
    seconds = settings.current().link_time.total_seconds()
    deadline = time.monotonic() + seconds
    with _client(deadline) as client:
        try:
            status = _follow(url, lambda at: _status(client, "HEAD", at), seconds)
        except FetchRefused:
            if time.monotonic() >= deadline:
                raise
            status = 0
        return status if 200 <= status < 300 else _follow(url, lambda at: _status(client, "GET", at), seconds)


def _follow(url: str, ask: Callable[[str], _Answer | str], seconds: float) -> _Answer:
    """The answer of an address, or of where it leads: each address is checked before it is asked."""
    most = settings.current().fetch_redirects
    for _ in range(most + 1):
        host = guard.check_url(url)
        try:
            answer = ask(url)
        except httpx2.TimeoutException:
            raise FetchRefused(f"{host} took longer than {seconds:g} seconds.") from None
        except httpx2.ConnectError as error:
            raise FetchRefused(f"{host} could not be reached{_because(error)}.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise FetchRefused(f"{host} broke off its answer or did not speak HTTP.") from None
        if not isinstance(answer, str):
            return answer
        url = answer
    raise FetchRefused(f"{host} redirected more than {most} times.")


def _status(client: httpx2.Client, method: str, url: str) -> int | str:
    """One request: the status, or the address it redirects to."""
    with client.stream(method, url, headers=_headers("*/*")) as answer:
        if answer.status_code in _REDIRECTS and answer.headers.get("Location"):
            return urljoin(url, answer.headers["Location"])
        return answer.status_code


def _headers(accept: str) -> dict[str, str]:
    return {
        "Accept": accept,
        "Accept-Encoding": "gzip",
        "User-Agent": f"Newsletter (+{settings.current().base_url})",
    }


def _client(deadline: float) -> httpx2.Client:
    # trust_env False: a proxy of the environment would connect where we did not look.
    transport = httpx2.HTTPTransport(verify=_certificates(), trust_env=False)
    # httpx2 has no argument for the network backend; a test pins this private name.
    transport._pool = httpcore2.ConnectionPool(ssl_context=_certificates(), network_backend=guard.Backend(deadline))
    return httpx2.Client(transport=transport, trust_env=False, timeout=None, follow_redirects=False)


@functools.cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def _ask(client: httpx2.Client, url: str, headers: dict[str, str], limit: int) -> Fetched | str:
    """One request: the document, or the address it redirects to."""
    with client.stream("GET", url, headers=headers) as answer:
        host, status = answer.url.host, answer.status_code
        if status in _REDIRECTS and answer.headers.get("Location"):
            return urljoin(url, answer.headers["Location"])
        if status == 304 and ("If-None-Match" in headers or "If-Modified-Since" in headers):
            return _fetched(answer, url, b"")
        if not 200 <= status < 300:
            raise FetchRefused(f"{host} answered {status}.")
        return _fetched(answer, url, _body(answer, limit))


def _fetched(answer: httpx2.Response, url: str, content: bytes) -> Fetched:
    return Fetched(
        url=url,
        status=answer.status_code,
        content=content,
        content_type=answer.headers.get("Content-Type", ""),
        etag=answer.headers.get("ETag", ""),
        last_modified=answer.headers.get("Last-Modified", ""),
    )


def _body(answer: httpx2.Response, limit: int) -> bytes:
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise FetchRefused(f"{answer.url.host} answered in an encoding that was not asked for.")
    # wbits 31: gzip. httpx2 would inflate a whole chunk, a thousandfold; this stops one byte past the limit.
    inflate = zlib.decompressobj(wbits=31) if encoding.endswith("gzip") else None
    body = bytearray()
    for chunk in answer.iter_raw():
        try:
            body += inflate.decompress(chunk, limit - len(body) + 1) if inflate else chunk
        except zlib.error:
            raise FetchRefused(f"{answer.url.host} sent a damaged answer.") from None
        if len(body) > limit:
            raise FetchRefused(f"The address answered with more than {limit / 1_000_000:g} MB.")
    if inflate and not inflate.eof:
        raise FetchRefused(f"{answer.url.host} sent a damaged answer.")
    return bytes(body)


def _because(error: Exception) -> str:
    return ": its certificate is not valid" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
