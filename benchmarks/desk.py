"""Every page of the desk with a million readers and hundreds of issues: how long its answer takes.

    python -m benchmarks.desk [--readers 1000000] [--issues 500] [--big 3] [--times 15]

Asked are all rules of the url map that answer GET behind the login, by an admin, filled in with the newest objects,
and searches of readers. Each page in turn, the slowest first in the table. The fastest answer is the one that other
work on the machine disturbed least.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from benchmarks import archive_of_issues, magazine, report, stores
from benchmarks.stores import Store
from newsletter import clock, db, schema, settings
from newsletter.staff import editors, sessions
from newsletter.staff.models import Role
from newsletter.web.admin import access

TARGET_MS = 300
_SLOWEST = 12
_READERS = (
    "q=reader9",
    "q=reader777777",
    "q=nobody",
    *(f"state={state}" for state in ("suppressed", "paused", "confirmed", "pending", "ended")),
    *("newsletter=weekly", "newsletter=weekend&state=pending", "topic=music", "topic=music&newsletter=daily"),
    *("from=2026-01-01", "newsletter=breaking&state=ended&from=2020-01-01", "after=500000"),
)
_MORE = {
    "/admin/readers": _READERS,
    "/admin/figures": ("period=365&newsletter=daily",),
    "/admin/issues": ("state=sent",),
}


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--issues", type=int, default=500)
    parser.add_argument("--big", type=int, default=3, help="issues with a message for every reader")
    parser.add_argument("--times", type=int, default=15, help="each page is asked")
    parser.add_argument("--engine", choices=stores.ENGINES, action="append")
    chosen = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    with stores.all_opened(tuple(chosen.engine or stores.ENGINES)) as opened:
        said = report.Report(
            "desk",
            f"{chosen.readers:,} readers, {chosen.issues} issues, {chosen.big * chosen.readers:,} messages",
            **vars(chosen),
        )
        for store in opened:
            found[store.engine] = sorted(
                _measured(said, store, chosen), key=lambda row: (-row["median ms"], str(row["page"]))
            )
            said.table(store.engine, found[store.engine])
        for engine, rows in found.items():
            said.table(f"{engine}, the slowest", rows[:_SLOWEST])
        said.table("all pages", [_summed(engine, rows) for engine, rows in found.items()])
        print(f"\n{said.write()}")


def _measured(said: report.Report, store: Store, chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    template = archive_of_issues.filled(store, readers=chosen.readers, issues=chosen.issues, big=chosen.big)
    with store.copy(template, magazine.is_built) as url:
        schema.upgrade(url)
        app = magazine.app(url)
        with app.app_context():
            client = _logged_in(app)
            paths = list(_paths(app))
            db.session.rollback()
        for path in paths:
            took, status, size = _asked(client, path, chosen.times)
            worst = 1000 * report.percentile(took, 0.95)
            if worst > TARGET_MS or status >= 500:
                said.note(f"{store.engine}: {path} {worst:.0f} ms, {status}")
            yield {
                "page": path,
                "status": status,
                "fastest ms": 1000 * min(took),
                "median ms": 1000 * report.median(took),
                "95th percentile ms": worst,
                "kB": size / 1000,
            }
        with app.app_context():
            db.extension.engine.dispose()


def _summed(engine: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "engine": engine,
        "pages": len(rows),
        "median of their medians ms": report.median([row["median ms"] for row in rows]),
        f"median above {TARGET_MS} ms": sum(row["median ms"] > TARGET_MS for row in rows),
        f"95th percentile above {TARGET_MS} ms": sum(row["95th percentile ms"] > TARGET_MS for row in rows),
    }


def _asked(client: FlaskClient, path: str, times: int) -> tuple[list[float], int, int]:
    client.get(path, base_url=settings.current().base_url)
    took = []
    for _ in range(times):
        began = time.perf_counter()
        answer = client.get(path, base_url=settings.current().base_url)
        size = len(answer.data)
        took.append(time.perf_counter() - began)
    return took, answer.status_code, size


def _logged_in(app: Flask) -> FlaskClient:
    editor, _ = editors.add("desk@magazine.example", Role.ADMIN)
    cookie = sessions.start(editor)
    db.session.commit()
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_COOKIE"] = f"{access.cookie_name()}={cookie}"
    return client


def _paths(app: Flask) -> Iterator[str]:
    """Every page of the desk, and the searches of some."""
    values = _values()
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule):
        view = app.view_functions[rule.endpoint]
        if (
            "GET" not in (rule.methods or ())
            or not rule.rule.startswith("/admin")
            or getattr(view, "needs", None) is None
        ):
            continue
        # Tables to take along are streamed, and as long as what they hold.
        if rule.rule.endswith(".csv") or not rule.arguments <= values.keys():
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<int:{name}>", str(values[name])).replace(f"<{name}>", str(values[name]))
        yield path
        yield from (f"{path}?{query}" for query in _MORE.get(rule.rule, ()))


def _values() -> dict[str, Any]:
    def newest(table: str, where: str = "true", column: str = "id") -> Any:
        return db.session.execute(text(f"SELECT max({column}) FROM {table} WHERE {where}")).scalar() or 1

    return {
        "issue_id": newest("issue", "state = 'released'"),
        # Of the newest issue: a story so new has come with none.
        "article_id": newest("edition_article", f"edition_id = {newest('edition')}", "article_id"),
        "reader_id": 10_007,
        "suppression_id": newest("suppression"),
        "slug": "daily",
        "kind": "terms",
        "language": "en",
        "number": 1,
        "on": clock.now().date().isoformat(),
        "edition_id": newest("edition"),
        "editor_id": newest("editor"),
    }


if __name__ == "__main__":
    main()
