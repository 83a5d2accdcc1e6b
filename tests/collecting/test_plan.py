"""The order of takes, and the state of a session as a machine without files or clock."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from mien.collecting.plan import Agenda, plan_session
from mien.collecting.protocol import Protocol
from mien.labels import EXPRESSIONS

SMALL = Protocol(expressions=("anger", "fear"), n_takes=3, places=("office", "garden"), rest_every=4, rest_s=30)


def test_everything_is_asked_for_as_often_as_the_protocol_says():
    counts = Counter((take.place, take.mask, take.expression) for take in plan_session(SMALL, "001", "01", 0))
    assert len(counts) == 2 * 2 * 3 and sum(counts.values()) == SMALL.n_all_takes
    assert all(number == (1 if word == "neutral" else 3) for (_, _, word), number in counts.items())


def test_takes_of_a_place_and_mask_stand_together_and_neutral_comes_first():
    plan = plan_session(SMALL, "001", "01", 0)
    blocks = list(dict.fromkeys((take.place, take.mask) for take in plan))
    assert [(take.place, take.mask) for take in plan] == [block for block in blocks for _ in range(7)]
    assert all(plan[7 * k].expression == "neutral" for k in range(4))
    assert [take.number for take in plan] == list(range(1, 29))


def test_orders_follow_from_the_seed_and_differ_between_people():
    orders = {(who, seed): plan_session(SMALL, who, "01", seed) for who in ("001", "002") for seed in (0, 1)}
    assert len(set(orders.values())) == 4
    assert plan_session(SMALL, "001", "01", 0) == orders["001", 0]
    assert plan_session(SMALL, "001", "02", 0) != orders["001", 0]
    firsts = {plan_session(SMALL, f"{k:03d}", "01", 0)[0].mask for k in range(20)}
    assert firsts == {"open", "mask"}


def test_the_given_order_goes_round_by_round():
    plan = plan_session(Protocol(n_takes=2, masks=("open",), order="given", n_neutral_takes=0), "001", "01", 0)
    assert [take.expression for take in plan] == list(EXPRESSIONS) * 2


def agenda(stored=()):
    return Agenda(SMALL, plan_session(SMALL, "001", "01", 0), {number: 1 for number in stored})


def test_rests_come_in_their_turn_but_not_at_a_beginning():
    machine, rests = agenda(), []
    while (prompt := machine.next_prompt()) is not None:
        rests += [prompt.number] if prompt.rest_before_s else []
        machine.note_stored(prompt)
    assert rests == [5, 9, 13, 17, 21, 25]
    assert agenda(range(1, 5)).next_prompt().rest_before_s == 0


def test_changes_are_announced_once():
    machine, changes = agenda(), {}
    while (prompt := machine.next_prompt()) is not None:
        if prompt.changes:
            changes[prompt.number] = prompt.changes
            machine.note_failed()
            assert machine.next_prompt().changes == () and machine.next_prompt().attempt == 2
        machine.note_stored(prompt)
    assert changes == {1: ("place", "mask"), 8: ("mask",), 15: ("place", *changes[15][1:]), 22: ("mask",)}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["store", "skip", "redo", "fail"]), max_size=60))
def test_whatever_is_done_the_sums_hold_and_nothing_stored_is_lost(steps):
    machine = agenda()
    for step in steps:
        before, prompt = dict(machine.stored), machine.next_prompt()
        if step == "redo":
            could = machine.can_redo
            assert machine.redo_last() is (could or machine.next_prompt() is not None and machine._redone is not None)
        elif prompt is None:
            assert machine.progress.n_left == 0
        elif step == "store":
            machine.note_stored(prompt)
            assert machine.stored[prompt.number] == before.get(prompt.number, 0) + 1
        elif step == "skip":
            machine.note_skipped(prompt)
        else:
            machine.note_failed()
        assert all(machine.stored[number] >= version for number, version in before.items())
        assert not machine.skipped & set(machine.stored)
        done = machine.progress
        assert done.n_stored + done.n_skipped + done.n_left == done.n_takes == 28
