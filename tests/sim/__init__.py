"""The whole agent under virtual time: one seed decides the weather, the faults and the order of everything.

Nothing of the agent is replaced but its six seams: dial (wire.py), Modbus transport (modbus.py), MQTT adapter
(mqtt.py), disk (disk.py), clock (clock.py) and spawn (spawn.py). Behind them stand virtual miners, a virtual meter
and the plant that both see. Judges (judges/) look at the outside alone: bytes on wires, the plant's true watts,
records that came out.

    python -m tests.sim --seeds 200            200 seeds; prints what was exercised, and how to replay each failure
    python -m tests.sim --first 17 --seeds 1   seed 17 again, byte for byte the same
"""
