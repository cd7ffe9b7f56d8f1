"""The parent of one lane's runs: forks each, watches it, and knows when nothing of it is left.

A keeper is a subreaper: whatever a run leaves behind, however often it forks and whatever
session it joins, becomes the keeper's child. Hence "no children" (ECHILD) is the proof that no
process of the run is left, and only then is the run reported as ended.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import select
import shutil
import signal
import socket
import time
import traceback
from typing import NoReturn

import msgspec

from procession.agent import frames, processes
from procession.agent.confine import CHANNEL_FD, confine
from procession.agent.frames import Began, Ended, Hello, Inbox, Progress, Renew, Said, Start, Stop
from procession.agent.output import BoundedOutput
from procession.agent.run import perform, stop_now
from procession.capabilities.capability import RunStopped

PROGRESS_EVERY_S = 0.2
EXIT_SOFTWARE = 70
SWEEP_EVERY_S = 0.005
SWEEP_EVERY_S_MAX = 0.2
NEVER_BEGUN = Ended(None, 0, False, True, 0, b"", False)
"""Told of a run whose lease was over before it could be forked."""


class AgentGone(Exception):
    """The agent closed its end: nobody is left to report to."""


def serve(agent: socket.socket, runs_dir: str) -> NoReturn:
    """Run what the agent asks for, one run at a time, until the agent is gone."""
    processes.adopt_orphans()
    # Set here, once, for the runs that inherit it; a keeper told so itself ends like its agent.
    signal.signal(signal.SIGTERM, stop_now)
    try:
        frames.send(agent, Hello(os.getpid()))
        mailbox = Mailbox(agent)
        life = time.monotonic_ns()
        for number in itertools.count():
            start = mailbox.next_start()
            if processes.now_s() >= start.until_s:
                # Agent or keeper was stopped on the way: the phone may be another run's by now.
                frames.send(agent, NEVER_BEGUN)
                continue
            home = f"{runs_dir}/{os.getpid()}-{life}-{number}"
            frames.send(agent, Watch(start, mailbox, home).until_dead())
    except (AgentGone, OSError, RunStopped):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sweep_all()
    os._exit(0)


def sweep_all() -> None:
    """Kill every descendant and return when none is left."""
    pause_s = SWEEP_EVERY_S
    while processes.reap()[1]:
        for pid in processes.descendants([os.getpid()]):
            processes.send_signal(pid, signal.SIGKILL)
        select.select([], [], [], pause_s)
        pause_s = min(pause_s * 2, SWEEP_EVERY_S_MAX)


class Mailbox:
    """What the agent has sent and nobody has read yet."""

    def __init__(self, agent: socket.socket) -> None:
        self.agent = agent
        self._inbox = Inbox()
        self._unread: list[frames.ToKeeper] = []

    def receive(self) -> None:
        """Read what is there; waits for something. Raises AgentGone at its end."""
        self.agent.settimeout(None)
        data = self.agent.recv(frames.READ_BYTES)
        if not data:
            raise AgentGone
        self._unread += [frames.to_keeper.decode(body) for body in self._inbox.feed(data)]

    def take(self) -> list[frames.ToKeeper]:
        taken, self._unread = self._unread, []
        return taken

    def next_start(self) -> Start:
        """Wait for the next run; orders that came too late for the one before are dropped."""
        while True:
            while self._unread:
                order = self._unread.pop(0)
                if isinstance(order, Start):
                    return order
            self.receive()


class Watch:
    """One run from fork to known dead."""

    def __init__(self, start: Start, mailbox: Mailbox, home: str) -> None:
        self._start = start
        self._mailbox = mailbox
        self._until_s = start.until_s
        self._home = home
        os.mkdir(home, 0o700)
        self._output = BoundedOutput()
        self._inbox = Inbox()
        self._said: Said | None = None
        self._progress: Progress | None = None
        self._checkpoint: bytes | None = None
        self._progress_due_s = 0.0
        self._signalled = self._lapsed = self._killing = False
        self._kill_again_s = SWEEP_EVERY_S
        self._some_left = True
        self._status = 0
        self._channel, theirs = socket.socketpair()
        self._output_fd, output_in = os.pipe()
        os.set_blocking(self._output_fd, False)
        self._pid = self._fork(theirs, output_in)
        self._pidfd = os.pidfd_open(self._pid)
        theirs.close()
        os.close(output_in)
        self._poll = select.poll()
        for fd in (self._mailbox.agent, self._channel, self._output_fd, self._pidfd):
            self._poll.register(fd, select.POLLIN)

    def _fork(self, theirs: socket.socket, output_in: int) -> int:
        keeper = os.getpid()
        gc.disable()
        pid = os.fork()
        if pid:
            return pid
        try:
            self._mailbox.agent.detach()
            self._channel.detach()
            confine(self._start, self._home, theirs, output_in, keeper)
            perform(self._start, socket.socket(fileno=CHANNEL_FD))
        except BaseException:
            traceback.print_exc()
            os._exit(EXIT_SOFTWARE)
        os._exit(0)

    def until_dead(self) -> Ended:
        """Watch the run until no process of it is left, and say how it ended."""
        frames.send(self._mailbox.agent, Began(self._pid))
        while not self._main_has_ended():
            self._turn()
        strays = self._sweep()
        self._read_channel()
        self._read_output()
        self._clean_up()
        return Ended(
            said=self._said,
            status=self._status,
            signalled=self._signalled,
            lapsed=self._lapsed,
            strays=strays,
            output=self._output.kept(),
            output_truncated=self._output.truncated,
            checkpoint=self._checkpoint,
        )

    def _main_has_ended(self) -> bool:
        ended, self._some_left = processes.reap()
        self._status = ended.get(self._pid, self._status)
        return self._pid in ended

    def _turn(self) -> None:
        for order in self._mailbox.take():
            self._obey(order)
        ready = {fd for fd, _ in self._poll.poll(self._patience_ms())}
        if self._mailbox.agent.fileno() in ready:
            self._mailbox.receive()
        if self._channel.fileno() in ready and not self._read_channel():
            self._poll.unregister(self._channel)
        if self._output_fd in ready and not self._read_output():
            self._poll.unregister(self._output_fd)
        self._pass_progress_on()
        if processes.now_s() >= self._until_s and not self._lapsed:
            self._lapsed = True
            self._kill()
        if self._killing:
            self._kill()

    def _patience_ms(self) -> int:
        if self._killing:
            self._kill_again_s = min(self._kill_again_s * 2, SWEEP_EVERY_S_MAX)
            return int(self._kill_again_s * 1000)
        until_s = self._until_s - processes.now_s()
        if self._progress:
            until_s = min(until_s, self._progress_due_s - processes.now_s())
        return max(0, min(int(until_s * 1000) + 1, 60_000))

    def _obey(self, order: frames.ToKeeper) -> None:
        if isinstance(order, Renew):
            self._until_s = order.until_s
        elif isinstance(order, Stop) and order.stage == "tell":
            with contextlib.suppress(OSError):
                self._channel.send(b"s", socket.MSG_DONTWAIT)
        elif isinstance(order, Stop) and order.stage == "term":
            self._signalled = True
            processes.send_group(self._pid, signal.SIGTERM)
            processes.send_group(self._pid, signal.SIGCONT)
        elif isinstance(order, Stop):
            self._kill()

    def _kill(self) -> None:
        self._signalled = self._killing = True
        for pid in processes.descendants([os.getpid()]):
            processes.send_signal(pid, signal.SIGKILL)

    def _sweep(self) -> int:
        """Kill what the run left behind; how many processes that were."""
        killed: set[int] = set()
        pause_s = SWEEP_EVERY_S
        while self._some_left:
            left = processes.descendants([os.getpid()])
            killed |= left
            for pid in left:
                processes.send_signal(pid, signal.SIGKILL)
            select.select([], [], [], pause_s)
            pause_s = min(pause_s * 2, SWEEP_EVERY_S_MAX)
            self._some_left = processes.reap()[1]
        return len(killed)

    def _read_channel(self) -> bool:
        """Take in what the run said; False at its end or when it talks nonsense."""
        while True:
            try:
                data = self._channel.recv(frames.READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                return False
            try:
                for body in self._inbox.feed(data):
                    self._take_in(frames.from_run.decode(body))
            except (msgspec.MsgspecError, frames.FrameTooLong):
                return False
            if not data:
                return False

    def _take_in(self, message: frames.FromRun) -> None:
        if isinstance(message, Said):
            self._said = message
        else:
            self._checkpoint = message.checkpoint or self._checkpoint
            self._progress = msgspec.structs.replace(message, checkpoint=self._checkpoint)

    def _pass_progress_on(self) -> None:
        now_s = processes.now_s()
        if self._progress and now_s >= self._progress_due_s and self._agent_listens():
            frames.send(self._mailbox.agent, self._progress)
            self._progress = None
            self._progress_due_s = now_s + PROGRESS_EVERY_S

    def _agent_listens(self) -> bool:
        # A stopped agent must not stop the keeper: it has a lease to watch.
        return bool(select.select([], [self._mailbox.agent], [], 0)[1])

    def _read_output(self) -> bool:
        """Take in what was printed; False when every writer has closed it."""
        try:
            data = os.read(self._output_fd, frames.READ_BYTES)
        except BlockingIOError:
            return True
        self._output.add(data)
        return bool(data)

    def _clean_up(self) -> None:
        self._channel.close()
        os.close(self._output_fd)
        os.close(self._pidfd)
        shutil.rmtree(self._home, ignore_errors=True)
