"""CBOR as AWS's rpc-v2-cbor protocol uses it."""

from datetime import UTC, datetime

import pytest
from botocore.parsers import RpcV2CBORParser
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.gateway import cbor

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def holds_null_in_a_map(value):
    if isinstance(value, dict):
        return any(inner is None or holds_null_in_a_map(inner) for inner in value.values())
    return isinstance(value, list) and any(map(holds_null_in_a_map, value))


@given(VALUES)
def test_every_value_comes_back(value):
    assert cbor.loads(cbor.dumps(value)) == value


@given(VALUES.filter(lambda value: not holds_null_in_a_map(value)))
def test_botocore_reads_what_we_write(value):
    parser = RpcV2CBORParser()  # leaves nulls out of maps
    assert parser.parse_data_item(parser.get_peekable_stream_from_bytes(cbor.dumps(value))) == value


def test_timestamps_are_tagged_seconds():
    moment = datetime(2026, 11, 24, 12, tzinfo=UTC)
    data = cbor.dumps(moment)
    assert data[0] == 0xC1
    assert cbor.loads(data) == moment.timestamp()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (bytes.fromhex("9f0102ff"), [1, 2]),
        (bytes.fromhex("bf6161 01ff".replace(" ", "")), {"a": 1}),
        (bytes.fromhex("7f6161 6162ff".replace(" ", "")), "ab"),
        (bytes.fromhex("5f4101 4102ff".replace(" ", "")), b"\x01\x02"),
        (bytes.fromhex("f93c00"), 1.0),
        (bytes.fromhex("fa3fc00000"), 1.5),
    ],
)
def test_forms_we_never_write_are_read(data, value):
    assert cbor.loads(data) == value


@pytest.mark.parametrize(
    "data", [b"", b"\x18", b"\x62a", b"\x82\x01", b"\x01\x01", b"\xff", b"\x9f\x01", b"\x1c", b"\xf8"]
)
def test_broken_bytes_are_refused(data):
    with pytest.raises(ValueError, match="CBOR"):
        cbor.loads(data)


def test_what_cbor_cannot_hold_is_refused():
    for value in (object(), 2**64):
        with pytest.raises(TypeError):
            cbor.dumps(value)
