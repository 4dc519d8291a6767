"""One run of the agent, from its start to its stop or kill: what its seams ask before they touch the world."""


class Life:
    """Alive until killed; the seams of a dead life change nothing, as a dead process changes nothing."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True
