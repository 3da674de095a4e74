"""``spectra list states``: every state of the table, one level, one state."""

import pytest

from spectra.errors import InvalidInput
from xps.states.listing import listing
from xps.tables import load_table


def test_all_states_a_level_and_one():
    headers, *rows = listing("")
    assert len(rows) == len(load_table("states")["state"])
    assert all(len(row) == len(headers) for row in rows)
    assert {row[1] for row in list(listing("V 2p"))[1:]} == {"V 2p"}
    (mn3,) = list(listing("Mn3+"))[1:]
    assert mn3[:3] == ("Mn3+", "Mn 2p", "3")
    with pytest.raises(InvalidInput, match="did you mean 'Mn3\\+'"):
        list(listing("Mn3"))
