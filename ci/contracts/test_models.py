"""The types that a service reads of another are those of the contract."""

import pytest
from models import READ, ROOT, made


@pytest.mark.parametrize("place", READ)
def test_the_committed_types_are_made_from_the_contract(place: str) -> None:
    assert (ROOT / place).read_text() == made(*READ[place])
