"""JSON and instants from outside are read strictly, and every refusal names the field."""

from datetime import UTC, datetime

import pytest

from shared.errors import InvalidInput
from shared.views import parse_instant, parse_object

pytestmark = pytest.mark.unit

DEEP = '{"a":' * 20_000 + "1" + "}" * 20_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ('{"x": {"a": 1, "a": 1}}', "the key 'a' is given twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": ' + "9" * 5_000 + "}", "too many digits"),
        (DEEP, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": "\n"}', "is not JSON"),
    ],
)
def test_hostile_json_is_refused_in_one_sentence(text: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        parse_object("props", text)
    assert caught.value.field == "props"
    assert len(str(caught.value)) < 300


def test_good_json_comes_through_unchanged() -> None:
    assert parse_object("props", '{"a": [1, 2.5, "é", null, {"b": true}]}') == {"a": [1, 2.5, "é", None, {"b": True}]}


def test_an_instant_is_returned_in_utc() -> None:
    assert parse_instant("run_at", "2030-01-31T09:00:00+02:00") == datetime(2030, 1, 31, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2030-01-31", "2030-01-31T09:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_an_instant_without_zone_or_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="run_at"):
        parse_instant("run_at", text)
