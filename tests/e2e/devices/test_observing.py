"""Observing, nothing is written to any device: no verb, no coil, no heartbeat, no limit of a GPU."""

import pytest

from tests.e2e.agent.site import Figures
from tests.e2e.devices.yard import FULL_W, GPUS, Yard

pytestmark = pytest.mark.apart(5)


def test_observing_writes_nothing_to_any_device_whatever_happens(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("observing")
    with Yard(folder, Figures(id="observing", control="observe", shed_kw=45.0, limit_kw=70.0), gpud=True) as site:
        site.start()
        site.eventually("the PLCs are heard", lambda: site.device("switchgear").get("state") == "ok")

        site.rig.do("lie", lie="liar", miners=site.east)
        site.rig.do("frequency", hz=49.3)
        site.rig.do("condenser_flow", plc="tank-a", lpm=0)
        site.eventually(
            "both are judged", lambda: {event["rule"] for event in site.status()["events"]} >= {"ufr", "tank"}
        )
        site.rig.do("condenser_flow", plc="tank-a", lpm=None)
        site.rig.do("frequency", hz=50.0)
        site.eventually("and over", lambda: not site.status()["events"])

        assert site.writes() == 0
        assert site.plc_writes("tank-a") == site.plc_writes("switchgear") == []
        assert site.tank()["beats"] == 0
        assert site.gpu_limits() == [FULL_W] * GPUS
        assert not any(site.rig.do("gpu", deed="limits", at=at) for at in range(GPUS))
