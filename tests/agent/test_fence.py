"""When a run that cannot renew its lease is stopped, with a clock that is an argument."""

from __future__ import annotations

import pytest

from procession.agent.fence import KILL_AT, STOP_AT, Contact, Lease


def lease(contact: Contact, renewed_s: float = 100.0) -> Lease:
    return Lease(lease_s=30.0, renewed_s=renewed_s, credit_at_renewal_s=contact.credit_s)


def test_a_run_is_stopped_at_two_thirds_and_killed_before_the_end() -> None:
    contact = Contact("always", 600.0)
    held = lease(contact)
    assert held.stop_at_s(contact) == pytest.approx(120.0)
    assert held.stop_at_s(contact) < held.kill_at_s(contact) < 130.0
    assert STOP_AT < KILL_AT < 1


def test_a_lease_counts_from_when_the_renewing_request_was_sent() -> None:
    contact = Contact("always", 600.0)
    held = lease(contact)
    held.renew(106.0, contact)
    assert held.stop_at_s(contact) == pytest.approx(126.0)


def test_an_older_request_answered_late_shortens_nothing() -> None:
    contact = Contact("always", 600.0)
    held = lease(contact)
    held.renew(106.0, contact)
    held.renew(103.0, contact)
    assert held.stop_at_s(contact) == pytest.approx(126.0)


def test_silence_is_never_credited() -> None:
    contact = Contact("reachable", 600.0)
    held = lease(contact)
    for _ in range(100):
        contact.silent()
    assert held.stop_at_s(contact) == pytest.approx(120.0)


def test_a_server_known_to_be_down_stops_the_count() -> None:
    contact = Contact("reachable", 600.0)
    held = lease(contact)
    for now_s in range(105, 166):
        contact.refused(float(now_s))
    assert held.stop_at_s(contact) == pytest.approx(180.0)


def test_only_time_between_two_refusals_in_a_row_is_credited() -> None:
    contact = Contact("reachable", 600.0)
    held = lease(contact)
    contact.refused(101.0)
    contact.silent()
    contact.refused(110.0)
    assert held.stop_at_s(contact) == pytest.approx(120.0)
    contact.refused(111.0)
    assert held.stop_at_s(contact) == pytest.approx(121.0)
    contact.answered()
    contact.refused(119.0)
    assert held.stop_at_s(contact) == pytest.approx(121.0)


def test_an_outage_is_credited_up_to_its_limit_only() -> None:
    contact = Contact("reachable", 20.0)
    held = lease(contact)
    for now_s in range(100, 200):
        contact.refused(float(now_s))
    assert held.stop_at_s(contact) == pytest.approx(140.0)


def test_the_strict_policy_credits_nothing() -> None:
    contact = Contact("always", 600.0)
    held = lease(contact)
    for now_s in range(100, 200):
        contact.refused(float(now_s))
    assert held.stop_at_s(contact) == pytest.approx(120.0)


def test_credit_from_before_a_renewal_is_not_counted_again() -> None:
    contact = Contact("reachable", 600.0)
    contact.refused(50.0)
    contact.refused(60.0)
    held = lease(contact)
    assert held.stop_at_s(contact) == pytest.approx(120.0)
    contact.refused(101.0)
    contact.refused(105.0)
    held.renew(106.0, contact)
    assert held.stop_at_s(contact) == pytest.approx(126.0)
