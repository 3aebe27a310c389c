"""Background work: rooms and doors say what is to be done, the engine of the settings sees to it.

A job is a function that rows drive: what it has to do stands in the database, it is harmless twice, and one that gets
lost is found again by the tick, which looks at the same rows.
"""

from newsletter import settings
from newsletter.jobs import registry
from newsletter.jobs.engines import embedded, procrastinate


def defer(name: str, **ids: int) -> None:
    """Have the job `name` done for these ids once the present transaction commits; rolled back, nothing happens.

    While the same job waits or runs already, nothing is added. Raises KeyError for a name nobody registered.
    """
    job = registry.get(name)
    if is_distributed():
        procrastinate.defer(job, ids)
    else:
        embedded.defer(job, ids)


def sweep() -> int:
    """Forget what dead workers had in hand, so that the tick may defer it again; returns how many. Flushes."""
    return procrastinate.sweep() if is_distributed() else 0


def is_distributed() -> bool:
    """Whether jobs are done by workers on any number of machines, rather than by the scheduler that found them."""
    return settings.current().engine == "procrastinate"
