"""A magazine for every test of privacy."""

import pytest

from tests.audience import magazine


@pytest.fixture(autouse=True)
def _magazine(room):
    magazine.found()
