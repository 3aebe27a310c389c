"""What the browser tests share: a browser for each file, and applications served on ports of their own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from tests import needed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=needed.chromium(), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serves a WSGI application until the end of the test; returns its address."""
    with ExitStack() as served:
        yield lambda application: served.enter_context(_served(application))


@contextmanager
def _served(application: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(timeout=20)
    server.server_close()
