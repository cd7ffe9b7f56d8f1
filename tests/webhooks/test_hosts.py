from hypothesis import given
from hypothesis import strategies as st

from procession.webhooks.hosts import (
    BATCH_MAX,
    FAST_MS_MAX,
    HOSTS_KEPT_MAX,
    REST_MS_MAX,
    REST_MS_MIN,
    Host,
    Hosts,
)

NOW_MS = 1_774_168_200_000


def test_rests_double_to_their_bound_and_the_first_answer_ends_them() -> None:
    host, rests = Host(), []
    for _ in range(10):
        host.silent(NOW_MS, 0)
        rests.append(host.rests_until_ms - NOW_MS)
    assert rests[:4] == [REST_MS_MIN, 1_000, 2_000, 4_000]
    assert rests[-2:] == [REST_MS_MAX, REST_MS_MAX]
    host.answered()
    assert not host.is_resting(NOW_MS)
    host.silent(NOW_MS, 0)
    assert host.rests_until_ms - NOW_MS == REST_MS_MIN


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 30))
def test_a_rest_is_prolonged_by_at_most_a_tenth(chance: float, times: int) -> None:
    host = Host()
    for _ in range(times):
        host.silent(NOW_MS, chance)
    assert host.rest_ms <= host.rests_until_ms - NOW_MS <= host.rest_ms * 1.1
    assert host.is_resting(NOW_MS)
    assert not host.is_resting(host.rests_until_ms)


def test_a_clock_that_is_set_back_ends_a_rest() -> None:
    host = Host()
    host.silent(NOW_MS, 0)
    assert not host.is_resting(NOW_MS - 24 * 3_600_000)


def test_batches_grow_while_they_are_fast_and_shrink_when_they_are_not() -> None:
    host, sizes = Host(), []
    for _ in range(7):
        sizes.append(host.batch)
        host.took(host.batch, 10, all_delivered=True)
    assert sizes == [1, 2, 4, 8, 16, 32, BATCH_MAX]
    host.took(32, FAST_MS_MAX + 1, all_delivered=True)
    assert host.batch == 16
    host.took(16, FAST_MS_MAX - 1, all_delivered=True)
    assert host.batch == 16, "twice as many would be slow"
    host.took(3, 10, all_delivered=True)
    assert host.batch == 16, "less than a batch was due"
    host.took(16, 10, all_delivered=False)
    assert host.batch == 1


def test_lifting_rests_lets_every_host_be_tried_and_a_silent_one_rest_longer() -> None:
    hosts = Hosts()
    hosts.of("a").silent(NOW_MS, 0)
    assert hosts.is_resting("a", NOW_MS)
    hosts.lift()
    assert not hosts.is_resting("a", NOW_MS)
    hosts.of("a").silent(NOW_MS, 0)
    assert hosts.of("a").rest_ms == 2 * REST_MS_MIN


def test_what_is_remembered_of_hosts_is_bounded() -> None:
    hosts = Hosts()
    for number in range(HOSTS_KEPT_MAX + 1):
        hosts.of(str(number)).silent(NOW_MS, 0)
    assert not hosts.is_resting("0", NOW_MS)
    assert hosts.is_resting(str(HOSTS_KEPT_MAX), NOW_MS)
