"""The flight recorder: everything that a decision is made from, kept at full rate, written out around what happened,
and decided again from there.

entries.py    what is recorded: inputs as they came, decisions as they were made
blocks.py     how a file is cut into blocks, each with its sums
recorder.py   the running agent's side: memory, thread, disk
scene.py      the configuration that a flight carries, read again
replay.py     decides again, and compares
compare.py    what other rules would have done
explain.py    one event in plain sentences

A flight is one file in state_dir/flights: without a break from 5 s before something was told or commanded until 60 s
after the last such thing. docs/flight-recorder.md is for those who use it.
"""
