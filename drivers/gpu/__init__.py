"""GPUs: `ballast gpud` beside them, and the client of it inside the agent.

A call into a sick GPU driver may never come back, and setting a limit wants root. So neither reaches the agent:

    agent            GpuHost (client.py): asks, tells, renews the lease while control advances
      | socket       frames.py, messages.py: framed, versioned, no matter which transport
    gpud             supervisor (server.py, supervisor.py, leases.py): always answers, knows no NVML
      | socketpair   the same frames, orders.py
    NVML worker      worker.py, nvml.py: one process, the only one that loads the driver's library; killed when it hangs

What a step ("lowest", "floor", "full") means on a GPU is worked out by the client (steps.py); gpud knows watts and
clocks alone.
"""
