"""What the stand-ins' devices are made of: equations over time, without a socket, a clock or a thread.

Every model is stepped by whoever owns it with the time that has passed, so that a run is as fast as its caller; what is
random comes from a seed. Parameters are in *.toml beside the models, each number with its source; docs/physics.md tells
the equations and what they leave out.
"""
