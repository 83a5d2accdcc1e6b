"""A token makes one session, a cookie finds it, and a session has one stream."""

import pytest

from mien.serving.tokens import MOST_TOKENS, TOKEN_S, Sessions


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(needs_token=True, clock=clock, memory_s=100.0, most=3)


def test_a_token_may_be_exchanged_again_until_its_first_stream(sessions):
    token = sessions.new_token()
    first, second = sessions.exchange(token), sessions.exchange(token)
    assert sessions.find(first) is None
    session = sessions.find(second)
    assert sessions.begin_stream(session, "stream") is None
    assert sessions.exchange(token) is None and sessions.find(second) is session


def test_a_new_stream_replaces_the_old_which_then_takes_nothing_away(sessions):
    session = sessions.find(sessions.exchange(sessions.new_token()))
    sessions.begin_stream(session, "old")
    assert sessions.begin_stream(session, "new") == "old"
    sessions.end_stream(session, "old")
    assert session.stream == "new" and sessions.n_streams == 1
    sessions.end_stream(session, "new")
    assert sessions.n_streams == 0


def test_old_tokens_and_old_cookies_are_void(sessions, clock):
    token = sessions.new_token()
    cookie = sessions.exchange(sessions.new_token())
    clock.now_s += 101.0
    assert sessions.find(cookie) is None and len(sessions) == 0
    clock.now_s += TOKEN_S
    assert sessions.exchange(token) is None


@pytest.mark.parametrize("secret", ["", "x", "x" * 10_000, "\ud800", None])
def test_what_is_no_secret_finds_nothing(sessions, secret):
    assert sessions.find(secret) is None
    if secret is not None:
        assert sessions.exchange(secret) is None


def test_who_looks_finds_no_secret_in_memory(sessions):
    token = sessions.new_token()
    cookie = sessions.exchange(token)
    kept = repr(sessions.__dict__) + repr([vars_of(session) for session in sessions._sessions.values()])
    assert token not in kept and cookie not in kept


def vars_of(session):
    return {name: getattr(session, name) for name in session.__slots__}


def test_their_number_is_bounded_and_who_streams_is_not_dropped(sessions):
    busy = sessions.exchange(sessions.new_token())
    sessions.begin_stream(sessions.find(busy), "stream")
    cookies = [sessions.exchange(sessions.new_token()) for _ in range(20)]
    assert len(sessions) == 3 and sessions.find(busy) is not None and sessions.find(cookies[-1]) is not None
    for _ in range(2 * MOST_TOKENS):
        sessions.new_token()
    assert len(sessions._tokens) <= MOST_TOKENS


def test_who_only_looks_at_the_page_drives_out_nobody_who_had_a_stream(clock):
    free = Sessions(needs_token=False, clock=clock, most=3)
    known = free.open()
    free.begin_stream(free.find(known), "stream")
    free.end_stream(free.find(known), "stream")
    for _ in range(20):
        free.open()
    assert len(free) == 3 and free.find(known) is not None


def test_without_a_token_there_is_no_way_in_where_one_is_needed(sessions, clock):
    with pytest.raises(PermissionError):
        sessions.open()
    free = Sessions(needs_token=False, clock=clock)
    assert free.find(free.open()) is not None
