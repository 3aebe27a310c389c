"""Opening an SMTP connection: greeting, EHLO, TLS, login; smtplib speaks, the deadline and the verdicts are ours."""

import smtplib
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta

from newsletter import settings
from newsletter.outbox.replies import Reply, enhanced_of, words
from newsletter.outbox.transports import deadline


@dataclass(frozen=True)
class Server:
    """The mail server we hand to, and how. `tls` is none, starttls (required and verified) or implicit."""

    host: str
    port: int
    tls: str
    user: str
    password: str
    hello: str  # how we name ourselves in EHLO
    command_time: timedelta
    context: ssl.SSLContext


@dataclass(frozen=True)
class Opened:
    """A connection ready for MAIL, and what its EHLO offered."""

    connected: socket.socket
    guard: socket.socket  # a second descriptor of the connection, to break it from any thread
    extensions: dict[str, str]


def open_connection(server: Server) -> Opened | Reply:
    """Connect and log in; a Reply says in which phase it failed. The password leaves only over TLS or to loopback."""
    return _Opening(server).run()


class _Opening:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._phase = "connect"
        self._sockets: list[socket.socket] = []
        self._clients: list[smtplib.SMTP] = []

    def run(self) -> Opened | Reply:
        try:
            outcome = self._converse()
        except smtplib.SMTPResponseException as error:
            outcome = self._refusal(error.smtp_code, _words(error.smtp_error))
        except smtplib.SMTPNotSupportedError:
            outcome = self._refusal(538, "The mail server offers no way to log in that we know.")
        except ssl.SSLCertVerificationError as error:
            # RFC 3463 5.7.5, cryptographic failure: ours to mend, no reader's fault.
            sentence = f"The certificate of {self._server.host} is not trusted: {error.verify_message}."
            outcome = Reply("starttls", 554, sentence, "5.7.5")
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            outcome = Reply(self._phase, None, "the mail server closed the connection")
        except ssl.SSLError as error:
            sentence = f"No TLS connection to {self._server.host}: {error.reason or error}."
            outcome = Reply("starttls", 554, sentence, "5.7.5")
        except OSError as error:
            outcome = Reply(self._phase, None, _failure(error))
        if isinstance(outcome, Reply):
            # A client's reader keeps its socket open beyond close(), so that goes first.
            for client in self._clients:
                client.close()
            for each in self._sockets:
                each.close()
        return outcome

    def _converse(self) -> Opened | Reply:
        server = self._server
        connected, guard = self._connect()
        client = self._greeted(connected, guard)
        if isinstance(client, Reply):
            return client
        if server.tls == "starttls":
            secured = self._secure(client, guard)
            if isinstance(secured, Reply):
                return secured
            client = secured
        if server.user:
            if server.tls == "none" and not settings.is_loopback(server.host):
                return self._refusal(538, "A password is only sent over TLS.")  # RFC 8314 3.3
            self._phase = "auth"
            with deadline.cut_after(server.command_time, guard):
                client.login(server.user, server.password)
        assert client.sock is not None  # noqa: S101 - for the type checker: it was set above
        if client.file is not None:
            client.file.close()
        return Opened(client.sock, guard, {name.lower(): value for name, value in client.esmtp_features.items()})

    def _connect(self) -> tuple[socket.socket, socket.socket]:
        server = self._server
        seconds = server.command_time.total_seconds()
        connected = self._keep(socket.create_connection((server.host, server.port), seconds))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        guard = self._keep(connected.dup())
        if server.tls == "implicit":
            self._phase = "starttls"
            with deadline.cut_after(server.command_time, guard):
                connected = self._keep(server.context.wrap_socket(connected, server_hostname=server.host))
            self._phase = "connect"
        return connected, guard

    def _greeted(self, connected: socket.socket, guard: socket.socket) -> "smtplib.SMTP | Reply":
        client = self._client(connected)
        with deadline.cut_after(self._server.command_time, guard):
            code, words = client.getreply()
        if code != 220:
            return self._refusal(code, _words(words))
        self._hello(client, guard)
        return client

    def _secure(self, client: smtplib.SMTP, guard: socket.socket) -> "smtplib.SMTP | Reply":
        server = self._server
        self._phase = "starttls"
        if not client.has_extn("starttls"):
            # Also what a stripped STARTTLS looks like: never go on in the clear (RFC 8314 3).
            sentence = f"{server.host} offers no STARTTLS; write tls=none into NEWSLETTER_SMTP_URL to do without."
            return self._refusal(554, sentence)
        with deadline.cut_after(server.command_time, guard):
            code, words = client.docmd("STARTTLS")
            if code != 220:
                return self._refusal(code, _words(words))
            assert client.sock is not None  # noqa: S101 - for the type checker: it was set above
            if client.file is not None:
                client.file.close()
            wrapped = self._keep(server.context.wrap_socket(client.sock, server_hostname=server.host))
        # RFC 3207 4.2: everything learnt in the clear is forgotten, injected plaintext with it, and EHLO is said again.
        secured = self._client(wrapped)
        self._hello(secured, guard)
        return secured

    def _hello(self, client: smtplib.SMTP, guard: socket.socket) -> None:
        self._phase = "ehlo"
        with deadline.cut_after(self._server.command_time, guard):
            client.ehlo_or_helo_if_needed()

    def _client(self, connected: socket.socket) -> smtplib.SMTP:
        client = smtplib.SMTP(local_hostname=self._server.hello, timeout=self._server.command_time.total_seconds())
        client.sock = connected
        self._clients.append(client)
        return client

    def _keep(self, one: socket.socket) -> socket.socket:
        self._sockets.append(one)
        return one

    def _refusal(self, code: int, text: str) -> Reply:
        return Reply(self._phase, code if code > 0 else None, text, enhanced_of(text))


def _words(said: bytes | str) -> str:
    return " ".join(words(said).split())


def _failure(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time"
    return error.strerror or str(error) or type(error).__name__
