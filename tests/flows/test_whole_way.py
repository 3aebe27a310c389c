"""The whole way with real parts: sample page, sign-up, confirmation, feed, scheduler, digest, one click, silence."""

import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests import needed
from tests.flows import parts

pytestmark = pytest.mark.skipif(needed.chromium() is None, reason=needed.CHROMIUM)

READER = "mara@example.com"


def _next_minute() -> datetime:
    """A full minute, far enough ahead to sign up before."""
    return (datetime.now(UTC) + timedelta(seconds=85)).replace(second=0, microsecond=0)


def test_a_visitor_becomes_a_reader_gets_the_digest_at_its_time_and_leaves_by_one_click(tmp_path):
    with (
        parts.post_office() as (received, smtp_port),
        parts.feed_server(parts.rss("A quiet record", "Two &amp; a half songs")) as feed,
        parts.service(
            tmp_path / "instance",
            NEWSLETTER_SMTP_URL=f"smtp://127.0.0.1:{smtp_port}?tls=none",
            NEWSLETTER_FEED_INTERVAL="2",
            NEWSLETTER_FORM_MINIMUM_TIME="0",
            NEWSLETTER_RELEASE_AHEAD="0",
        ) as running,
        parts.browser() as chromium,
    ):
        due = _next_minute()
        days = ",".join(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
        running.flask(
            *("newsletter", "add", "wire", "--title", "The Wire", "--topic", "music"),
            *("--days", days, "--at", f"{due:%H:%M}", "--zone", "UTC"),
        )
        running.flask("feed", "add", f"http://127.0.0.1:{feed.server_port}/feed.xml", "--topic", "music")

        _sign_up(chromium, running.base)
        letter = parts.until(lambda: received.to(READER), seconds=20, what="the confirmation")[0]
        _confirm(chromium, letter)

        parts.until(lambda: len(received.to(READER)) == 2, seconds=150, what="the digest")
        assert datetime.now(UTC) >= due
        digest = received.to(READER)[1]
        _check_digest(digest)

        _one_click(digest)
        _nothing_more(running, feed, received)


def _sign_up(chromium, base):
    page = chromium.new_page()
    page.goto(f"{base}/sample")
    page.locator("main a[href*='/sample/']").first.click()
    form = page.locator("form[action*='/subscribe']").first
    form.locator("input[name=email]").fill(READER)
    for box in form.locator("input[name=newsletters]").all():
        box.set_checked(box.get_attribute("value") == "wire")
    for box in form.locator("input[name=topics]").all():
        box.set_checked(box.get_attribute("value") == "music")
    form.locator("input[name=terms]").check()
    form.locator("button[type=submit]").click()
    page.wait_for_load_state()
    assert page.get_by_role("heading", name=re.compile("inbox|mail", re.IGNORECASE)).count()
    page.close()


def _confirm(chromium, letter):
    link = re.search(r"http://\S+/confirm/\S+", letter.get_body(("plain",)).get_content()).group()
    page = chromium.new_page()
    page.goto(link)
    page.locator("main form button").click()
    page.wait_for_load_state()
    assert "The Wire" in page.locator("main").inner_text()
    page.goto(link)
    assert "Already confirmed" in page.locator("main").inner_text()
    page.close()


def _check_digest(digest):
    assert digest["To"] == READER
    assert digest["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert digest["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        body = digest.get_body((kind,)).get_content()
        assert "A quiet record" in body
        assert body.count("a half songs") >= 1
        assert "/unsubscribe/" in body


def _one_click(digest):
    address = re.match(r"<(http[^>]+)>", digest["List-Unsubscribe"]).group(1)
    for _ in range(2):
        post = Request(address, data=urlencode({"List-Unsubscribe": "One-Click"}).encode(), method="POST")
        with urlopen(post, timeout=10) as answer:
            assert answer.status == 200
            assert answer.geturl() == address
            assert answer.headers["Set-Cookie"] is None


def _nothing_more(running, feed, received):
    count, polls = len(received.to(READER)), feed.polls
    feed.document = parts.rss("A quiet record", "Two &amp; a half songs", "A third thing")
    parts.until(lambda: feed.polls > polls + 1, seconds=20, what="the next poll")
    composed = parts.until(lambda: running.flask("issue", "compose", "wire"), seconds=10, what="an issue")
    assert (composed["articles"] >= 1, composed["readers"]) == (True, 0)
    running.flask("issue", "approve", str(composed["issue"]))
    running.flask("issue", "send", str(composed["issue"]))
    time.sleep(1)
    assert len(received.to(READER)) == count
    assert running.flask("check")["broken"] == []
