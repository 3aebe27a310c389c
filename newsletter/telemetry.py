"""Structured logs: a static event name with ids as fields, never an address or a body."""

import logging
import sys

import structlog

from newsletter import settings


def configure() -> None:
    """Log to standard error: lines for people in development, JSON in production."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False)
        if settings.current().is_development
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # APScheduler says at INFO that each tick ran.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
