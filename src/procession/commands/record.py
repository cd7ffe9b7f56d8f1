"""A process record as people read it."""

from __future__ import annotations

from typing import Any

FINAL = frozenset({"completed", "failed_terminal", "cancelled"})


def percent_of(record: dict[str, Any]) -> float | None:
    """How far it is, 0 to 100; None while nothing is known."""
    progress = record["partial_progress"]
    if record["status"] == "completed":
        return 100.0
    if progress.get("percent") is not None:
        return float(progress["percent"])
    total = progress.get("items_total")
    return 100.0 * progress.get("items_completed", 0) / total if total else None


def state_of(record: dict[str, Any]) -> str:
    """Its status, or what it waits for, or that it is being stopped."""
    status: str = record["status"]
    if status not in FINAL and record["timestamps"]["cancel_requested_at"]:
        return f"{status}, being cancelled"
    if why := record["wait_reason"]:
        place = f", number {why['position']} in the queue" if why["position"] else ""
        return f"{status}: {why['reason']}{place}"
    return status


def line_of(record: dict[str, Any]) -> str:
    """One line: what, how it is, how far, what it says or why it failed."""
    progress = record["partial_progress"]
    percent = percent_of(record)
    parts = [record["process_id"], record["process_type"], state_of(record)]
    if percent is not None:
        parts.append(f"{percent:.0f} %")
    if progress.get("items_total", 1) > 1:
        done, total = progress.get("items_completed", 0), progress["items_total"]
        parts.append(f"{done} of {total}")
    if error := record["error"]:
        parts.append(f"{error['category']}: {error['message']}")
    elif progress.get("message"):
        parts.append(progress["message"])
    return "  ".join(parts)


def page_of(record: dict[str, Any]) -> str:
    """The whole record, a line a fact; what is not known is left out."""
    target, times = record["target"], record["timestamps"]
    error = record["error"]
    facts = {
        "process": record["process_id"],
        "type": record["process_type"],
        "status": state_of(record),
        "request": record["request_id"],
        "account": target["account_id"],
        "phone": target["phone_id"],
        "progress": _progress_text(record),
        "error": f"{error['category']}: {error['message']}" if error else None,
        "result": record["result"] or None,
        "callback": record["callback"]["url"],
        "items": ", ".join(record["linked_ids"]["queue_item_ids"]) or None,
        "version": record["version"],
    }
    facts |= {name.removesuffix("_at").replace("_", " "): at for name, at in times.items()}
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {fact}" for name, fact in facts.items() if fact)


def _progress_text(record: dict[str, Any]) -> str | None:
    percent = percent_of(record)
    message = record["partial_progress"].get("message")
    parts = [f"{percent:.0f} %" if percent is not None else None, message]
    return "  ".join(filter(None, parts)) or None
