"""From `version` to a family: recordings, and examples of our own for families whose recordings are not kept here."""

import pytest

from drivers.miners.families import FAMILIES
from drivers.miners.identify import UNKNOWN, identify
from tests.drivers.miners.captures import kept


def _version(description: str, **fields: str) -> bytes:
    row = ",".join(f'"{key}":"{value}"' for key, value in fields.items())
    status = f'{{"STATUS":"S","When":1,"Code":22,"Msg":"Miner versions","Description":"{description}"}}'
    return f'{{"STATUS":[{status}],"VERSION":[{{{row}}}],"id":1}}\0'.encode()


@pytest.mark.parametrize(
    ("raw", "family"),
    [
        (kept("cgminer-4.11.1-local/version.json"), "cgminer"),
        (kept("cgminer-4.11.1-local/version.txt"), "cgminer"),
        (kept("bfgminer-5.5.0-local/version.json"), "bfgminer"),
        (kept("avalon-q-25052801/version.json"), "avalon"),
        (
            b"STATUS=S,When=9,Code=22,Msg=CGMiner versions|VERSION,CGMiner=4.11.1,PROD=AvalonMiner 10xx,MODEL=10xx|\0",
            "avalon",
        ),
        (_version("cgminer 4.11.1", CGMiner="4.11.1", HWTYPE="MM3v2_X3"), "avalon"),
        (_version("cgminer 4.9.0", BMMiner="1.0.0", Type="Antminer S19 Pro"), "antminer"),
        (_version("cgminer 4.9.0", BMMiner="2.0.0", Type="Antminer S9 HIVEON"), "hiveon"),
        (_version("vnish 3.8.6", Type="Antminer S9"), "vnish"),
        (kept("luxos-s19kpro-2025.4.8/version.json"), "luxos"),
        (_version("BOSer boser-openwrt", BOSer="0.1"), "braiins"),
        (_version("btminer", API="3.0"), "whatsminer"),
        (_version("GCMINER-1.0 FluxOS", FluxOS="1"), "auradine"),
        (_version("KAONSU", KAONSU="1"), "mara"),
        (b'{"STATUS":[{"STATUS":"E","When":1,"Code":0,"Msg":"Invalid command","Description":""}]}\0', "vnish"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "epic"),
        (kept("bfgminer-5.5.0-local/bad-json.json"), "bfgminer"),
        (kept("cgminer-4.11.1-local/bogus.json"), UNKNOWN),
        (b"", UNKNOWN),
        (b"\xff\xfe", UNKNOWN),
        (b'{"VERSION":[]}', UNKNOWN),
    ],
)
def test_what_a_miner_calls_itself_names_its_family(raw: bytes, family: str) -> None:
    assert identify(raw) == family


def test_every_family_has_its_own_name_and_its_steps_from_low_to_high() -> None:
    assert sorted(FAMILIES) == [
        "antminer", "auradine", "auto", "avalon", "bfgminer", "bitaxe", "braiins", "cgminer", "epic", "hiveon", "luxos",
        "mara", "unknown", "vnish", "whatsminer", "whatsminer-v3",
    ]  # fmt: skip
    for name, dialect in FAMILIES.items():
        assert dialect.name == name
        shares = [step.share or 0.0 for step in dialect.steps]
        assert shares == sorted(shares)
        assert (dialect.steps[-1].name, shares[-1]) == ("on", 1.0)
