"""Messages keep their borders, carry descriptors, and tell when nobody is there."""

import os

import pytest

from harness.errors import Unresolved
from harness.process import packets


def test_messages_and_descriptors_arrive_one_by_one() -> None:
    ours, theirs = packets.pair()
    read, write = os.pipe()
    with ours, theirs:
        assert packets.send(ours, {"first": 1}, [write])
        assert packets.send(ours, {"second": 2})
        os.close(write)
        message, [received] = packets.receive(theirs) or ({}, [])
        assert message == {"first": 1}
        assert not os.get_inheritable(received)
        os.write(received, b"through")
        assert os.read(read, 10) == b"through"
        assert packets.receive(theirs) == ({"second": 2}, [])
    os.close(received)
    os.close(read)


def test_an_end_that_is_gone_is_told_apart() -> None:
    ours, theirs = packets.pair()
    with ours:
        theirs.close()
        assert packets.receive(ours) is None
        assert not packets.send(ours, {"anybody": "there"})


def test_what_an_end_said_before_it_went_arrives_though_it_had_not_read_all() -> None:
    ours, theirs = packets.pair()
    with ours:
        assert packets.send(ours, {"answered": 1})
        assert packets.send(theirs, {"code": 0})
        theirs.close()
        assert packets.receive(ours) == ({"code": 0}, [])
        assert packets.receive(ours) is None


def test_an_end_that_went_without_a_word_and_without_reading_is_gone() -> None:
    ours, theirs = packets.pair()
    with ours:
        assert packets.send(ours, {"answered": 1})
        theirs.close()
        assert packets.receive(ours) is None


def test_a_message_too_long_is_refused_rather_than_cut() -> None:
    ours, theirs = packets.pair()
    with ours, theirs, pytest.raises(Unresolved, match="too long"):
        packets.send(ours, {"long": "x" * packets.LARGEST})
