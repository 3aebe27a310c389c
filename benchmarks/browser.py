"""The visitors: sign-up forms, confirmations and one-click unsubscribes over HTTP, each answer timed."""

import http.client
import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Answers:
    """How long answers took, by what was asked; refusals and failures counted apart."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, seconds: float, *, is_well: bool) -> None:
        with self._lock:
            if is_well:
                self.seconds.setdefault(name, []).append(seconds)
            else:
                self.failures[name] = self.failures.get(name, 0) + 1

    def all(self) -> list[float]:
        with self._lock:
            return list(itertools.chain.from_iterable(self.seconds.values()))

    def failed(self) -> int:
        with self._lock:
            return sum(self.failures.values())


class Visitor:
    """One browser on a kept connection."""

    def __init__(self, port: int, answers: Callable[[], Answers]) -> None:
        """`answers` says where an answer that is given now is to be counted."""
        self._port, self._answers = port, answers
        self._connection: http.client.HTTPConnection | None = None

    def sign_up(self, address: str, token: str, newsletter: str) -> bool:
        """Press the button of a form whose token was fetched before."""
        form = {"email": address, "newsletters": newsletter, "terms": "yes", "form": token, "as_typed": address}
        return self._ask("sign-up", "POST", "/subscribe", form)

    def confirm(self, token: str) -> bool:
        """Press the button behind the link of a confirmation mail."""
        return self._ask("confirmation", "POST", f"/confirm/{token}", {})

    def leave(self, token: str) -> bool:
        """One click in a mail program."""
        return self._ask("one-click", "POST", f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"})

    def look(self, path: str) -> bool:
        """Open a page."""
        return self._ask("page", "GET", path, None)

    def form_token(self) -> str:
        """The token of a sign-up form, as our own page carries it."""
        _, body = self._exchange("GET", "/subscribe", None)
        found = re.search(r'name="form"[^>]*value="([^"]+)"', body) or re.search(
            r'value="([^"]+)"[^>]*name="form"', body
        )
        if not found:
            raise SystemExit("The sign-up page shows no form.")
        return found.group(1)

    def _ask(self, name: str, method: str, path: str, form: dict[str, str] | None) -> bool:
        began = time.monotonic()
        try:
            status, _ = self._exchange(method, path, form)
        except (OSError, http.client.HTTPException):
            self._connection, status = None, 0
        is_well = status == 200
        self._answers().add(name if is_well else f"{name} ({status})", time.monotonic() - began, is_well=is_well)
        return is_well

    def _exchange(self, method: str, path: str, form: dict[str, str] | None) -> tuple[int, str]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        body = urlencode(form) if form is not None else None
        self._connection.request(method, path, body, _FORM if form is not None else {})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")


def crowd(size: int, act: Callable[[int], None], *, seconds: float, pause: float = 0.0) -> None:
    """`size` threads call `act(their number)` over and over for so many seconds, with a pause in between."""
    deadline = time.monotonic() + seconds

    def go(number: int) -> None:
        while time.monotonic() < deadline:
            act(number)
            if pause:
                time.sleep(pause)

    threads = [threading.Thread(target=go, args=(number,), daemon=True) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
