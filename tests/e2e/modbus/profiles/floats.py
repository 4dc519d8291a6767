"""Meters that say floats, worked out by hand.

IEEE 754: 230.5 is 2^7 * 1.80078125, so the exponent is 127 + 7 = 0x86 and the fraction 0.80078125 * 2^23 = 0x668000;
sign, exponent and fraction in a row are 0x43668000. A double has 0x3FF + exponent, then 52 bits of fraction.
"""

from collections.abc import Mapping

from drivers.modbus.meter import Proof
from tests.e2e.modbus.profiles.device import Device, Points

# In the unit that the point has.
PLAIN = {
    "voltage_l1_v": ("4366 8000", 230.5),
    "voltage_l2_v": ("4367 4000", 231.25),  # 2^7 * 1.806640625
    "voltage_l3_v": ("4365 c000", 229.75),  # 2^7 * 1.794921875
    "voltage_l12_v": ("43c8 0000", 400.0),  # 2^8 * 1.5625
    "voltage_l23_v": ("43c8 8000", 401.0),
    "voltage_l31_v": ("43c7 8000", 399.0),
    "current_l1_a": ("40a0 0000", 5.0),  # 2^2 * 1.25
    "current_l2_a": ("40c0 0000", 6.0),
    "current_l3_a": ("40e0 0000", 7.0),
    "power_l1_w": ("447a 0000", 1000.0),  # 2^9 * 1.953125
    "power_l2_w": ("44bb 8000", 1500.0),  # 2^10 * 1.46484375
    "power_l3_w": ("c4bb 8000", -1500.0),
    "power_w": ("447a 0000", 1000.0),
    "apparent_va": ("4640 e600", 12345.5),  # 2^13 * 1.50701904296875
    "reactive_var": ("c47a 0000", -1000.0),
    "power_factor": ("3f40 0000", 0.75),  # 2^-1 * 1.5
    "frequency_hz": ("426f f000", 59.984375),  # 2^5 * 1.87451171875
    "energy_import_wh": ("449a 5000", 1234.5),  # 2^10 * 1.20556640625
    "energy_export_wh": ("3f00 0000", 0.5),
}
# In thousands: kW, kvar, kVA, kWh.
KILO = PLAIN | {
    "power_l1_w": ("3f80 0000", 1000.0),
    "power_l2_w": ("3fc0 0000", 1500.0),
    "power_l3_w": ("bfc0 0000", -1500.0),
    "power_w": ("3f80 0000", 1000.0),
    "apparent_va": ("4148 0000", 12500.0),  # 12.5 is 2^3 * 1.5625
    "reactive_var": ("bf80 0000", -1000.0),
    "energy_import_wh": ("449a 5000", 1_234_500.0),
    "energy_export_wh": ("3f00 0000", 500.0),
}
KWH = PLAIN | {name: KILO[name] for name in ("energy_import_wh", "energy_export_wh")}
# Tenths of volts and watts, thousandths of amperes and of a power factor, hundredths of hertz.
SCALED = KWH | {
    "voltage_l1_v": ("4510 1000", 230.5),  # 2305 is 2^11 * 1.12548828125
    "voltage_l2_v": ("4510 8000", 231.2),  # 2312
    "voltage_l3_v": ("450f a000", 229.8),  # 2298
    "voltage_l12_v": ("457a 0000", 400.0),  # 4000 is 2^11 * 1.953125
    "voltage_l23_v": ("457a a000", 401.0),
    "voltage_l31_v": ("4579 6000", 399.0),
    "current_l1_a": ("459c 4000", 5.0),  # 5000 is 2^12 * 1.220703125
    "current_l2_a": ("45bb 8000", 6.0),
    "current_l3_a": ("45da c000", 7.0),
    "power_l1_w": ("461c 4000", 1000.0),  # 10000 is 2^13 * 1.220703125
    "power_l2_w": ("466a 6000", 1500.0),  # 15000
    "power_l3_w": ("c66a 6000", -1500.0),
    "power_w": ("461c 4000", 1000.0),
    "reactive_var": ("c61c 4000", -1000.0),
    "power_factor": ("443b 8000", 0.75),  # 750 is 2^9 * 1.46484375
    "frequency_hz": ("459c 3000", 49.98),  # 4998 is 2^12 * 1.22021484375
}


def at(quantities: Mapping[str, tuple[str, float]], **places: int) -> Points:
    """Those quantities at these wire addresses."""
    return {name: (place, *quantities[name]) for name, place in places.items()}


def low_word_first(quantities: Mapping[str, tuple[str, float]]) -> dict[str, tuple[str, float]]:
    """The same with their two registers the other way round."""
    return {name: (" ".join(reversed(words.split())), value) for name, (words, value) in quantities.items()}


def phases(pattern: str, first: int, names: tuple[str, ...] = ("l1", "l2", "l3")) -> dict[str, int]:
    """Three points of two registers each, one after the other."""
    return {pattern.format(name): first + 2 * place for place, name in enumerate(names)}


def volts(first: int) -> dict[str, int]:
    return phases("voltage_{}_v", first)


def pairs(first: int) -> dict[str, int]:
    return phases("voltage_{}_v", first, ("l12", "l23", "l31"))


def amperes(first: int) -> dict[str, int]:
    return phases("current_{}_a", first)


def watts(first: int) -> dict[str, int]:
    return phases("power_{}_w", first)


def schneider(energy: Points) -> Device:
    # The manual's registers 3000, 3020, 3028, 3054 ... less 1.
    places = {**amperes(2999), **pairs(3019), **volts(3027), **watts(3053)}
    return Device(
        {**at(KILO, **places, power_w=3059, reactive_var=3067, apparent_va=3075, frequency_hz=3109), **energy},
        spans=((2999, 3032), (3053, 3110)),
    )


FLOAT_METERS = {
    "eastron-sdm630": Device(
        at(
            KWH,
            **{**volts(0), **amperes(6), **watts(12)},
            power_w=0x34,
            apparent_va=0x38,
            reactive_var=0x3C,
            power_factor=0x3E,
            frequency_hz=0x46,
            energy_import_wh=0x48,
            energy_export_wh=0x4A,
        ),
        table="input",
        spans=((0, 75),),
        others=("holding 10 4040 0000",),  # 3.0: three phases and neutral
        proof=Proof.PROVEN,
        registers_max=80,
    ),
    "eastron-sdm230": Device(
        at(
            KWH,
            voltage_l1_v=0x00,
            current_l1_a=0x06,
            power_w=0x0C,
            apparent_va=0x12,
            reactive_var=0x18,
            power_factor=0x1E,
            frequency_hz=0x46,
            energy_import_wh=0x48,
            energy_export_wh=0x4A,
        ),
        table="input",
        spans=((0x12, 0x1F),),
    ),
    "janitza-umg604": Device(
        at(
            PLAIN,
            **{**volts(19000), **pairs(19006), **amperes(19012), **watts(19020)},
            power_w=19026,
            apparent_va=19034,
            reactive_var=19042,
            frequency_hz=19050,
            energy_import_wh=19068,
            energy_export_wh=19076,
        ),
        spans=((19000, 19077),),
    ),
    "siemens-pac3200": Device(
        {
            **at(
                PLAIN,
                **{**volts(1), **pairs(7), **amperes(13), **watts(25)},
                frequency_hz=55,
                apparent_va=63,
                power_w=65,
                reactive_var=67,
                power_factor=69,
            ),
            "energy_import_wh": (801, "4136 e360 0000 0000", 1_500_000.0),  # 2^20 * 1.430511474609375
            "energy_export_wh": (809, "4059 0000 0000 0000", 100.0),  # 2^6 * 1.5625
        },
        spans=((1, 70), (805, 808)),
        others=("holding 64001 002a" + " 0000" * 26,),  # given as one block only
        proof=Proof.PROVEN,
    ),
    "schneider-iem3000": schneider(
        {
            # 1234567890123 is 0x11f71fb04cb; Wh
            "energy_import_wh": (3203, "0000 011f 71fb 04cb", 1_234_567_890_123.0),
            "energy_export_wh": (3207, "0000 0000 0000 0003", 3.0),
        }
    ),
    "schneider-pm8000": schneider(at(KILO, energy_import_wh=2699, energy_export_wh=2701)),
    "accuenergy-acuvim-ii": Device(
        {
            **at(
                PLAIN,
                **{**volts(0x4002), **pairs(0x400A), **amperes(0x4012), **watts(0x401C)},
                frequency_hz=0x4000,
                power_w=0x4022,
                reactive_var=0x402A,
                apparent_va=0x4032,
                power_factor=0x403A,
            ),
            "energy_import_wh": (0x4048, "00bc 614e", 1_234_567_800.0),  # 12345678 is 0xbc614e; 0.1 kWh
            "energy_export_wh": (0x404A, "0000 0003", 300.0),
        },
        spans=((0x4000, 0x404B),),
    ),
    "eig-shark-100": Device(
        at(
            PLAIN,
            **{**volts(0x3E7), **pairs(0x3ED), **amperes(0x3F3)},
            power_w=0x383,
            reactive_var=0x385,
            apparent_va=0x387,
            power_factor=0x3FF,
            frequency_hz=0x401,
        ),
        spans=((0x383, 0x388), (0x3E7, 0x404)),
    ),
    "phoenix-eem-ma770": Device(
        at(
            low_word_first(PLAIN),
            **{**volts(0x8006), **amperes(0x800E), **watts(0x801E)},
            frequency_hz=0x800C,
            power_w=0x8016,
            energy_import_wh=0x8100,
            energy_export_wh=0x8106,
        ),
        spans=((0x8006, 0x8023), (0x8100, 0x8107)),
    ),
    "wattnode-wnc": Device(
        # The manual's registers 1007, 1009, 1011 ... less 1.
        at(
            low_word_first(KWH),
            **{**watts(1010), **volts(1018), **pairs(1026), **amperes(1162)},
            energy_import_wh=1006,
            power_w=1008,
            frequency_hz=1032,
            energy_export_wh=1114,
            power_factor=1138,
            reactive_var=1146,
            apparent_va=1154,
        ),
        spans=((1000, 1033), (1138, 1167)),
    ),
    "chint-dtsu666": Device(
        at(
            SCALED,
            **{**pairs(0x2000), **volts(0x2006), **amperes(0x200C), **watts(0x2014)},
            power_w=0x2012,
            reactive_var=0x201A,
            power_factor=0x202A,
            frequency_hz=0x2044,
            energy_import_wh=0x101E,
            energy_export_wh=0x1028,
        ),
        spans=((0x101E, 0x1029), (0x2000, 0x2021)),
    ),
}
