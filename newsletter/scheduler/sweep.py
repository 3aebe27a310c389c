"""Keeping the house: what dead workers held or were at, what waited too long, what nobody confirmed."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from newsletter import clock, db, jobs, limits
from newsletter.audience import asking, consent, imports, signup
from newsletter.feedback import counting
from newsletter.issues import trials, weblinks
from newsletter.outbox import ledger, paging, queue, throttle, workers
from newsletter.privacy import retention

_Result = TypeVar("_Result")


def recover_workers() -> int:
    """Give back what workers held that were silent too long."""
    return len(_on_ledger(workers.recover_dead))


def expire_messages() -> int:
    """Give up messages older than their run allows."""
    return _on_ledger(ledger.expire)


def clear_discarded() -> int:
    """Delete the messages that were planned and forgotten, page by page."""
    cleared = 0
    for page in paging.pages(queue.clear_discarded):
        cleared += page
    return cleared


def finish_runs() -> int:
    """Finish the issues of which no message is open: also those that nobody was to get."""
    return len(_on_ledger(ledger.finish_runs))


def delete_unconfirmed() -> int:
    """Delete sign-ups nobody confirmed."""
    deleted = signup.delete_unconfirmed(clock.now())
    db.session.commit()
    return deleted


def ask_for_terms() -> int:
    """Ask readers to agree to new terms that were published so."""
    asked = 0
    while page := asking.ask_page():
        db.session.commit()
        asked += page
    db.session.commit()
    return asked


def forget_networks() -> int:
    """Shorten the network addresses and browsers of consents that were kept whole long enough."""
    forgotten = consent.forget_networks(clock.now())
    db.session.commit()
    return forgotten


def count_growth() -> int:
    """Count who came and who left since the last time."""
    return counting.catch_up()


def forget_imports() -> int:
    """Delete the files of readers nobody took in."""
    forgotten = imports.forget_abandoned(clock.now())
    db.session.commit()
    return forgotten


def erase_long_gone() -> int:
    """Erase who left longer ago than a proof is kept."""
    erased = retention.erase_long_gone(clock.now())
    db.session.commit()
    return erased


def forget_replies() -> int:
    """Take erased addresses out of replies that came later."""
    forgotten = retention.forget_replies()
    db.session.commit()
    return forgotten


def empty_buckets() -> int:
    """Forget the token buckets that are full again."""
    limits.sweep()
    db.session.commit()
    return 0


def forget_paces() -> int:
    """Forget the domains that no longer push back."""
    return _on_ledger(throttle.sweep)


def forget_links() -> int:
    """Forget what links answered too long ago to be believed."""
    forgotten = weblinks.forget_old()
    db.session.commit()
    return forgotten


def forget_tests() -> int:
    """Forget test mails sent long ago."""
    forgotten = trials.forget_old()
    db.session.commit()
    return forgotten


def forget_lost_jobs() -> int:
    """Forget the jobs of dead workers: the next tick finds what they were to do."""
    lost = jobs.sweep()
    db.session.commit()
    return lost


STEPS: dict[str, Callable[[], int]] = {
    "dead_workers": recover_workers,
    "expired_messages": expire_messages,
    "discarded_messages": clear_discarded,
    "finished_issues": finish_runs,
    "unconfirmed_signups": delete_unconfirmed,
    "terms_asked": ask_for_terms,
    "network_details": forget_networks,
    "consents_counted": count_growth,
    "abandoned_imports": forget_imports,
    "long_gone_readers": erase_long_gone,
    "replies": forget_replies,
    "buckets": empty_buckets,
    "paces": forget_paces,
    "old_link_answers": forget_links,
    "old_test_mails": forget_tests,
    "lost_jobs": forget_lost_jobs,
}


def _on_ledger(act: Callable[[Connection], _Result]) -> _Result:
    # The ledger speaks Core on a connection of its own, here as in the delivery process.
    with db.extension.engine.begin() as connection:
        return act(connection)
