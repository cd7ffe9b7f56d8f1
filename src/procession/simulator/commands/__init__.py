"""The commands of a simulated phone's shell, by name."""

from procession.simulator.commands import (
    device,
    packages,
    simctl,
    storage,
    text,
    touch,
    view,
)
from procession.simulator.commands.command import Command

COMMANDS: dict[str, Command] = {
    **device.COMMANDS,
    **packages.COMMANDS,
    **simctl.COMMANDS,
    **storage.COMMANDS,
    **text.COMMANDS,
    **touch.COMMANDS,
    **view.COMMANDS,
}
