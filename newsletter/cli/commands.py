"""`flask newsletter ...`: everything the desk can do, scriptable."""

from newsletter.cli.sections import Sections

newsletter = Sections(
    "newsletter",
    help="Newsletters: sign-up, digests, delivery.",
    sections={
        "setup": ("init", "demo", "check", "copy"),
        "publication": ("topic", "newsletter", "legal", "masthead"),
        "articles": ("feed", "article"),
        "audience": ("subscriber",),
        "staff": ("editor",),
        "issues": ("issue",),
        "calendar": ("calendar",),
        "timekeeping": ("tick", "scheduler", "jobs"),
        "delivery": ("deliver", "worker"),
        "relay": ("relay",),
        "uncertain": ("uncertain",),
        "suppressions": ("suppression",),
        "audit": ("audit",),
        "figures": ("figures",),
        "incoming": ("unsubscribe-mail",),
        "languages": ("language",),
    },
)
