"""What can go wrong, in the words of the person who sees it: a class's docstring is its default message."""

import inspect


class NewsletterError(Exception):
    """Something went wrong. Please try again."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or inspect.cleandoc(self.__doc__ or ""))

    @property
    def message(self) -> str:
        return str(self.args[0])


class ConfigurationError(NewsletterError):
    """A setting is missing or wrong."""


class BadInput(NewsletterError):
    """Please check what you entered."""

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFound(NewsletterError):
    """There is nothing here."""


class Conflict(NewsletterError):
    """That is not possible in the present state."""


class Refused(NewsletterError):
    """This is not allowed."""


class BadToken(NewsletterError):
    """This link is not complete or not ours. Please open it again from the mail."""


class ExpiredToken(BadToken):
    """This link is too old. Please ask for a new one."""


class Damaged(NewsletterError):
    """The stored mail is not the one that was released. Restore the database from a backup, or cancel the issue."""


class FetchRefused(NewsletterError):
    """The address could not be fetched."""
