"""Deterministic CBOR against an independent reader and writer: same bytes, same refusals."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire import cbor
from gateway.wire.errors import CallerMisuse, MalformedMessage
from tests.wire import reference_cbor

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
)


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=30), inner, max_size=4)
        | st.dictionaries(st.integers(0, 2**64 - 1), inner, max_size=4)
    )


VALUES = st.recursive(SCALARS, nested, max_leaves=12)


@given(VALUES)
def test_both_writers_agree(value: object) -> None:
    encoded = cbor.encode(value)
    assert encoded == reference_cbor.encode(value)
    assert cbor.decode(encoded) == value


def both_agree(data: bytes) -> None:
    try:
        expected = reference_cbor.decode(data)
    except reference_cbor.NotDeterministic:
        with pytest.raises(MalformedMessage):
            cbor.decode(data)
    else:
        assert cbor.decode(data) == expected


@given(st.binary(max_size=60))
@settings(max_examples=500)
@example(b"\xa2\x00\x00\x18\x18\x00")
@example(b"\xa2\x00\x00\x61a\x00")
@example(b"\xa1\x20\x00")
@example(b"\xa1\xf5\x00")
@example(b"\xa2\x01\x00\xf5\x00")
@example(b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff")
@example(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\xd8\x1c\x81\xd8\x1d\x00")
@example(b"\xc1\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00")
@example(b"\xd8\x1e\x82\x01\x00")
@example(b"\xf7")
def test_both_readers_agree_on_any_bytes(data: bytes) -> None:
    both_agree(data)


@given(VALUES, st.data())
@settings(max_examples=500)
def test_both_readers_agree_on_altered_encodings(value: object, data: st.DataObject) -> None:
    encoded = bytearray(reference_cbor.encode(value))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] = data.draw(st.integers(0, 255))
    both_agree(bytes(encoded))


@pytest.mark.parametrize("depth", range(1, 12))
def test_depth_is_bounded(depth: int) -> None:
    both_agree(b"\x81" * depth + b"\x00")


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        {1: 0, "a": 0},
        {-1: 0},
        {True: 0},
        {b"a": 0},
        2**64,
        -(2**63) - 1,
        {1, 2},
        pytest.param(object(), id="object"),
    ],
    ids=repr,
)
def test_writer_refuses_what_no_message_has(value: object) -> None:
    with pytest.raises(CallerMisuse):
        cbor.encode([value])
