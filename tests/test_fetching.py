"""Fetching: nothing private is reached, nothing large or slow holds us, and each refusal is one sentence."""

import dataclasses
import gzip
import http.server
import ipaddress
import socket
import threading
import time
from datetime import timedelta

import httpcore2
import httpx2
import pytest

from newsletter import errors, fetching, settings
from newsletter.fetching import guard


class _Pages(http.server.BaseHTTPRequestHandler):
    """Answers by path; what it was asked is kept on the server."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        getattr(self, "page_" + self.path.strip("/").split("/")[0])()

    def page_plain(self):
        self._answer(200, b"Hello", ETag='"one"', **{"Content-Type": "text/plain", "Last-Modified": "yesterday"})

    def page_conditional(self):
        same = self.headers.get("If-None-Match") == '"one"' or self.headers.get("If-Modified-Since") == "yesterday"
        self._answer(304, b"") if same else self._answer(200, b"new", ETag='"one"')

    def page_missing(self):
        self._answer(404, b"nothing")

    def page_unasked(self):
        self._answer(304, b"")

    def page_to(self):
        self._answer(302, b"", Location=self.server.target)

    def page_hop(self):
        number = int(self.path.rpartition("/")[2])
        self._answer(302, b"", Location=f"/hop/{number + 1}") if number < 9 else self.page_plain()

    def page_short(self):
        self._answer(301, b"", Location="/hop/8")

    def page_zipped(self):
        self._answer(200, gzip.compress(b"words " * 100), **{"Content-Encoding": "gzip"})

    def page_bomb(self):
        self._answer(200, gzip.compress(b"\0" * 50_000_000), **{"Content-Encoding": "gzip"})

    def page_twice(self):
        self._answer(200, gzip.compress(gzip.compress(b"\0" * 1000)), **{"Content-Encoding": "gzip, gzip"})

    def page_torn(self):
        self._answer(200, gzip.compress(b"words " * 10_000)[:40], **{"Content-Encoding": "gzip"})

    def page_endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65536)
                self.server.sent += 65536
        except OSError:
            pass

    def page_trickle(self):
        self._drip(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1000, first=19)

    def page_slowhead(self):
        self._drip(b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 1000, first=0)

    def page_garbage(self):
        self.wfile.write(b"220 mail.example ESMTP\r\n")

    def _drip(self, content, *, first):
        self.wfile.write(content[:first])
        try:
            for byte in content[first:]:
                self.wfile.write(bytes([byte]))
                if self.server.stopped.wait(0.05):
                    return
        except OSError:
            pass

    def _answer(self, status, content, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        server.asked, server.sent, server.target, server.stopped = [], 0, "/plain", threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def development(tmp_path):
    settings.use(settings.load({"NEWSLETTER_INSTANCE": str(tmp_path)}))
    return settings.current()


def _production(**changes):
    settings.use(
        dataclasses.replace(settings.current(), env="production", base_url="https://news.magazine.example", **changes)
    )


def _refusal(url, **arguments):
    with pytest.raises(errors.FetchRefused) as caught:
        fetching.get(url, **arguments)
    return caught.value.message


def test_a_document_comes_with_its_validators_and_is_asked_for_again_only_when_changed(server):
    fetched = fetching.get(server.url + "/plain", accept="text/plain")
    assert (fetched.content, fetched.status, fetched.content_type) == (b"Hello", 200, "text/plain")
    assert (fetched.etag, fetched.last_modified) == ('"one"', "yesterday")
    assert fetching.get(server.url + "/conditional").content == b"new"
    for validators in ({"etag": '"one"'}, {"last_modified": "yesterday"}):
        again = fetching.get(server.url + "/conditional", **validators)
        assert (again.status, again.content) == (304, b"")
    asked = server.asked[0][1]
    assert asked["Accept"] == "text/plain"
    assert settings.current().base_url in asked["User-Agent"]


def test_redirects_are_followed_so_far_and_no_further(server):
    fetched = fetching.get(server.url + "/short")
    assert (fetched.content, fetched.url) == (b"Hello", server.url + "/hop/9")
    assert _refusal(server.url + "/hop/1") == "127.0.0.1 redirected more than 3 times."


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/missing", "127.0.0.1 answered 404."),
        ("/unasked", "127.0.0.1 answered 304."),
        ("/bomb", "The address answered with more than 5 MB."),
        ("/endless", "The address answered with more than 5 MB."),
        ("/twice", "127.0.0.1 answered in an encoding that was not asked for."),
        ("/torn", "127.0.0.1 sent a damaged answer."),
        ("/garbage", "127.0.0.1 broke off its answer or did not speak HTTP."),
    ],
)
def test_each_refusal_is_one_sentence(server, path, sentence):
    assert _refusal(server.url + path) == sentence


def test_the_reading_of_an_endless_answer_stops_at_the_limit(server):
    assert _refusal(server.url + "/endless", limit=100_000) == "The address answered with more than 0.1 MB."
    # What lies in socket buffers is sent as well; 50 MB are not.
    assert server.sent < 20_000_000


def test_gzip_is_unpacked(server):
    assert fetching.get(server.url + "/zipped").content == b"words " * 100


@pytest.mark.parametrize("path", ["/trickle", "/slowhead"])
def test_a_trickling_server_is_given_up_at_the_deadline_for_the_whole(server, development, path):
    settings.use(dataclasses.replace(development, fetch_time=timedelta(seconds=0.5)))
    begun = time.monotonic()
    assert _refusal(server.url + path) == "127.0.0.1 took longer than 0.5 seconds."
    assert time.monotonic() - begun < 3


def test_a_name_server_that_does_not_answer_is_given_up_as_well(development, monkeypatch):
    settings.use(dataclasses.replace(development, fetch_time=timedelta(seconds=0.3)))
    answer = threading.Event()
    monkeypatch.setattr(guard, "lookup", lambda host, port: answer.wait(10) and ["93.184.216.34"])
    assert _refusal("http://magazine.example/") == "magazine.example took longer than 0.3 seconds."
    answer.set()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://magazine.example/", "Only addresses that begin with http:// or https:// are fetched."),
        ("file:///etc/passwd", "Only addresses that begin with http:// or https:// are fetched."),
        ("gopher://magazine.example/", "Only addresses that begin with http:// or https:// are fetched."),
        ("http:///path", "Only addresses that begin with http:// or https:// are fetched."),
        ("http://name:word@magazine.example/", "An address with a name or password in it is not fetched."),
        ("http://public.example@127.0.0.1/", "An address with a name or password in it is not fetched."),
        ("http://magazine.example:99999/", "This is not a complete web address."),
        ("http://[::1/", "This is not a complete web address."),
    ],
)
def test_an_address_of_another_kind_is_refused(url, sentence):
    assert _refusal(url) == sentence


PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
    *("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "100.100.100.200", "192.88.99.1"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1"),
    *("fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_on_the_open_internet_is_not_public(address):
    assert not guard.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "2002:808:808::1"]
)
def test_what_is_on_the_open_internet_is_public(address):
    assert guard.is_public(ipaddress.ip_address(address))


@pytest.fixture
def connected(monkeypatch):
    """The addresses that would have been connected to; none is."""
    made = []

    def connect(_self, host, port, *_arguments, **_options):
        made.append((host, port))
        raise httpcore2.ConnectError

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    return made


def test_one_private_address_among_those_of_a_name_refuses_it(monkeypatch, connected):
    _production()
    monkeypatch.setattr(guard, "lookup", lambda host, port: ["93.184.216.34", "10.0.0.1"])
    assert _refusal("https://magazine.example/") == "magazine.example is on a private network and is not fetched."
    assert connected == []


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch, connected):
    _production()
    answers = iter([["93.184.216.34", "2606:2800:220:1::1"], ["127.0.0.1"]])
    monkeypatch.setattr(guard, "lookup", lambda host, port: next(answers))
    assert _refusal("https://magazine.example/feed") == "magazine.example could not be reached."
    # The name server's second answer, the private one, is never asked for.
    assert connected == [("93.184.216.34", 443), ("2606:2800:220:1::1", 443)]


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_no_spelling_of_this_machine_reaches_it_in_production(server, host):
    _production(fetch_ports=(80, 443, server.server_port))
    assert "private network" in _refusal(f"http://{host}:{server.server_port}/plain")
    assert server.asked == []


def test_a_redirect_is_checked_like_the_first_address(server, monkeypatch):
    resolve = guard.lookup
    monkeypatch.setattr(
        guard, "lookup", lambda host, port: {"inner.example": ["10.0.0.7"]}.get(host) or resolve(host, port)
    )
    for target, sentence in (
        ("http://inner.example/", "inner.example is on a private network and is not fetched."),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is on a private network and is not fetched."),
        ("file:///etc/passwd", "Only addresses that begin with http:// or https:// are fetched."),
        ("//name@127.0.0.1/", "An address with a name or password in it is not fetched."),
    ):
        server.target = target
        assert _refusal(server.url + "/to") == sentence


def test_only_web_ports_are_asked_and_in_development_any_of_this_machine(monkeypatch, connected):
    monkeypatch.setattr(guard, "lookup", lambda host, port: ["93.184.216.34"])
    assert (
        _refusal("http://magazine.example:5432/")
        == "Port 5432 of magazine.example is not a web port and is not fetched."
    )
    assert connected == []
    monkeypatch.setattr(guard, "lookup", lambda host, port: ["127.0.0.1"])
    assert _refusal("http://magazine.example:5432/") == "magazine.example could not be reached."
    assert connected == [("127.0.0.1", 5432)]


def test_a_name_that_does_not_exist_is_said_so(monkeypatch):
    def lookup(host, port):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(guard, "lookup", lookup)
    assert _refusal("http://magazine.example/") == "There is no host magazine.example."


def test_a_proxy_of_the_environment_is_not_used(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetching.get(server.url + "/plain").content == b"Hello"


def test_the_http_library_still_keeps_its_pool_where_we_put_ours():
    with httpx2.HTTPTransport(trust_env=False) as transport:
        assert isinstance(transport._pool, httpcore2.ConnectionPool)
