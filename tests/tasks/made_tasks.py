"""Forms and tasks to try things on."""

from __future__ import annotations

from typing import Any

from filled import asking
from living_server import Api, Reply

UNKNOWN = "01a200c3-0000-7000-8000-000000000000"
ANSWER = {"name": "Ada"}


def form(*more: dict[str, Any], **words: Any) -> dict[str, Any]:
    """A form that asks for a name, and for more."""
    blocks = [asking("name", "Your name", "text"), *more]
    return {"title": "Sign here", "steps": [{"id": "a", "title": "Part", "blocks": blocks}]} | words


def created(api: Api, **words: Any) -> dict[str, Any]:
    """A new task's answer."""
    reply = api.post("/api/v1/tasks", form(**words))
    assert reply.status == 201, reply
    found: dict[str, Any] = reply.json
    return found


def task_id_of(api: Api, **words: Any) -> str:
    return str(created(api, **words)["task_id"])


def seen(api: Api, task_id: str) -> dict[str, Any]:
    reply = api.get(f"/api/v1/tasks/{task_id}")
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.json
    return found


def listed(api: Api, query: str) -> list[str]:
    """The titles a list shows, in its order."""
    reply = api.get(f"/api/v1/tasks?{query}")
    assert reply.status == 200, reply
    return [task["title"] for task in reply.json["tasks"]]


def tracked(api: Api, *steps: str) -> str:
    """The id of a new process with these steps."""
    body = {
        "namespace": "lab",
        "name": "Order",
        "steps": [{"key": step, "label": step, "human": True} for step in steps],
    }
    reply = api.post("/api/v1/processes", body)
    assert reply.status == 201, reply
    return str(reply.json["process_id"])


def faults(reply: Reply) -> list[str]:
    """The fields a refusal names."""
    assert (reply.status, reply.json["error"]) == (400, "Validation failed"), reply
    return [detail["field"] for detail in reply.json["details"]]


def uploaded(api: Api, name: str, content: bytes, kind: str = "text/plain", **more: str) -> Reply:
    """A file that was sent as a form of a browser."""
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{more[key]}' for key in more]
    parts.append(
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    head = "--edge\r\n" + "\r\n--edge\r\n".join(parts)
    body = head.encode() + content + b"\r\n--edge--\r\n"
    return api.send(
        "POST", "/api/v1/files", body, Content_Type="multipart/form-data; boundary=edge"
    )
