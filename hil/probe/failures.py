"""Why a device could not be probed, each with its mend: not the same thing, and not the same exit code
(hil/commands/probe.py lists these).

unreachable   no way to the address: wrong address, no power, no route, a firewall that says nothing
refused       the host is there and says that nobody listens on that port, or that we may not
silent        connected, asked, and nothing came back in time
hung up       it took the connection and ended it instead of answering
garbled       it answered, and not in the protocol that was asked
"""


class Failure(Exception):
    """One of them; str() is a sentence with its mend."""

    exit_code = 1

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}; {mend}")
        self.what = what
        self.mend = mend


class Unreachable(Failure):
    """No way there."""

    exit_code = 3


class Refused(Failure):
    """Somebody is there and says no."""

    exit_code = 4


class Silent(Failure):
    """Asked, and no answer."""

    exit_code = 5


class HungUp(Failure):
    """It ended the connection."""

    exit_code = 6


class Garbled(Failure):
    """An answer that is none."""

    exit_code = 6


class Unusable(Failure):
    """What was asked for cannot be done with what is there: a file, a flag, a library."""

    exit_code = 2


class Declined(Failure):
    """The person said no."""

    exit_code = 7
