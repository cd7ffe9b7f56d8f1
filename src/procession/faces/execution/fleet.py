"""Routes to what can be targeted: phones and accounts."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import UNSET

from procession import fleet
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.execution.answers import (
    Accounts,
    AccountView,
    LeaseView,
    Phones,
    PhoneView,
)
from procession.faces.execution.declared import read, write
from procession.faces.execution.messages import AccountEdit, AccountNew, PhoneEdit
from procession.faces.stamps import stamp, stamp_or_none

SCOPE = "fleet:write"


class Fleet:
    """Phones and accounts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def phones(self, request: Request) -> Answer:
        found = await fleet.phones(self._engine, request.caller)
        return Answer(body=Phones([_phone_view(phone) for phone in found]))

    async def edit_phone(self, request: Request) -> Answer:
        message: PhoneEdit = request.message
        phone = await fleet.edit_phone(
            self._engine,
            request.caller,
            request.params["phone_id"],
            labels=None if message.labels is UNSET else message.labels,
            paused=None if message.paused is UNSET else message.paused,
        )
        return Answer(body=_phone_view(phone))

    async def release_phone(self, request: Request) -> Answer:
        phone_id = request.params["phone_id"]
        return Answer(
            body=_phone_view(await fleet.release_phone(self._engine, request.caller, phone_id))
        )

    async def accounts(self, request: Request) -> Answer:
        found = await fleet.accounts(self._engine, request.caller)
        return Answer(body=Accounts([_account_view(account) for account in found]))

    async def create_account(self, request: Request) -> Answer:
        new: AccountNew = request.message
        account = fleet.Account(new.account_id, new.phone_id, new.app, new.labels, new.active)
        made = await fleet.create_account(self._engine, request.caller, account)
        location = "/accounts/" + quote(made.account_id, safe="")
        return Answer(201, _account_view(made), ((b"location", location.encode()),))

    async def edit_account(self, request: Request) -> Answer:
        message: AccountEdit = request.message
        values = {name: getattr(message, name) for name in AccountEdit.__struct_fields__}
        changes = {name: value for name, value in values.items() if value is not UNSET}
        account_id = request.params["account_id"]
        edited = await fleet.edit_account(self._engine, request.caller, account_id, changes)
        return Answer(body=_account_view(edited))

    def endpoints(self) -> list[Endpoint]:
        return self._phone_endpoints() + self._account_endpoints()

    def _phone_endpoints(self) -> list[Endpoint]:
        phone = "/phones/{phone_id}"
        return [
            read("/phones", self.phones, "The phones that can be targeted", Phones),
            write(
                phone,
                self.edit_phone,
                "Label or pause a phone",
                PhoneView,
                404,
                body=PhoneEdit,
                scope=SCOPE,
                method="PATCH",
            ),
            write(
                f"{phone}/release",
                self.release_phone,
                "End a stuck lease",
                PhoneView,
                404,
                scope=SCOPE,
            ),
        ]

    def _account_endpoints(self) -> list[Endpoint]:
        return [
            read("/accounts", self.accounts, "The accounts that can be targeted", Accounts),
            write(
                "/accounts",
                self.create_account,
                "Register an account",
                AccountView,
                409,
                body=AccountNew,
                scope=SCOPE,
                success=(201,),
            ),
            write(
                "/accounts/{account_id}",
                self.edit_account,
                "Change an account",
                AccountView,
                404,
                body=AccountEdit,
                scope=SCOPE,
                method="PATCH",
            ),
        ]


def _phone_view(phone: fleet.PhoneRead) -> PhoneView:
    held = phone.lease
    lease = None
    if held is not None:
        lease = LeaseView(held.process_id, held.queue_item_id, stamp(held.expires_ms))
    return PhoneView(
        phone_id=phone.phone_id,
        state=phone.state,
        agent_id=phone.agent_id,
        labels=phone.labels,
        battery_percent=phone.battery_percent,
        temperature_c=phone.temperature_c,
        storage_free_mb=phone.storage_free_mb,
        lease=lease,
        queue_length=phone.queue_length,
        quarantine=phone.quarantine,
        last_seen_at=stamp_or_none(phone.last_seen_ms),
        paused=phone.paused,
        detail=phone.detail,
    )


def _account_view(account: fleet.Account) -> AccountView:
    return AccountView(
        account.account_id, account.phone_id, account.app, account.labels, account.active
    )
