"""Bring your own device: what a meter, a PLC, a miner or a GPU does, measured in a few minutes, before it is trusted.

`ballast-hil probe` runs the *conformance set* of a kind of device: how fast it answers, how often its values are
renewed, what it says to questions that it cannot answer, how it behaves with two clients at once, and, where one may
switch it, how long it takes to do what it acknowledged. It writes a report of one page, what was measured in the form
that Ballast uses (a profile, step times), and a *dump*: every byte that went out and came back, which becomes a
capture for tests.

Words: a *place* is where the device is; a *finding* is one thing that was looked at, with its verdict; a *failure* is
why nothing could be measured at all: unreachable, refused, silent, hung up or garbled.

Nothing is written to any device without --actuate. The clients here are of their own: they share no code with those of
the agent, so that a mistake in one shows against the other.
"""
