"""Seeds that found a bug, and which; they are run again with every change.

A seed is the same world only as long as the code draws the same numbers, so each bug also has a
test of its own beside the code that was at fault.
"""

FOUND: dict[int, str] = {
    98: "an agent that was stopped with a claim began its run after the lease was over",
    1166: "a drain that came late made the agent's next life idle for ever",
    2208: "the sender looked in circles for callbacks that another server had in hand",
    11972: "the drain of an agent that had never registered bound its next life",
    12607: "after an outage the first heartbeat was held while a short lease ran out",
}
