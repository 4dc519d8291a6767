"""Meters that say scaled integers, worked out by hand: the number in hexadecimal, then its two halves in their order.

A negative number is 2^32 (2^16) less: -165433 is 0x100000000 - 0x28639 = 0xfffd79c7.
"""

from drivers.modbus.meter import Proof
from tests.e2e.modbus.profiles.device import NOTHING, Device

# Carlo Gavazzi, the low word first: 0.1 V, 0.001 A, 0.1 W, 0.1 kWh.
GAVAZZI = {
    "voltage_l1_v": (0x00, "0901 0000", 230.5),  # 2305 is 0x901
    "voltage_l2_v": (0x02, "0908 0000", 231.2),
    "voltage_l3_v": (0x04, "08fa 0000", 229.8),
    "current_l1_a": (0x0C, "1388 0000", 5.0),  # 5000
    "current_l2_a": (0x0E, "1770 0000", 6.0),
    "current_l3_a": (0x10, "1b58 0000", 7.0),
    "power_l1_w": (0x12, "9c40 0000", 4000.0),  # 40000
    "power_l2_w": (0x14, "86a0 0001", 10_000.0),  # 100000 is 0x186a0
    "power_l3_w": (0x16, "bf60 ffff", -1654.4),  # -16544 is 0xffffbf60
    "power_w": (0x28, "e240 0001", 12_345.6),  # 123456 is 0x1e240
}
GAVAZZI_NEW = {
    **GAVAZZI,
    "power_factor": (0x31, "fc4a", -0.95),  # -950
    "frequency_hz": (0x33, "01f3", 49.9),  # 499
    "energy_import_wh": (0x34, "614e 00bc", 1_234_567_800.0),  # 12345678 is 0xbc614e
    "energy_export_wh": (0x4E, "0003 0000", 300.0),
}

INTEGER_METERS = {
    "carlo-gavazzi-em24": Device(
        {
            **GAVAZZI,
            "power_factor": (0x35, "fc4a", -0.95),
            "frequency_hz": (0x37, "01f3", 49.9),
            "energy_import_wh": (0x42, "614e 00bc", 1_234_567_800.0),
            "energy_export_wh": (0x5C, "0003 0000", 300.0),
        },
        table="input",
        spans=((0x00, 0x17), (0x32, 0x37)),
        filler=NOTHING,
        registers_max=11,
    ),
    "carlo-gavazzi-em24-e1": Device(
        GAVAZZI_NEW,
        table="input",
        spans=((0x00, 0x0A), (0x0C, 0x17), (0x28, 0x35)),
        filler=NOTHING,
        others=("input 11 0670",),  # 1648: EM24DINAV23XE1X
        proof=Proof.PROVEN,
    ),
    "carlo-gavazzi-em340": Device(GAVAZZI_NEW, table="input", spans=((0x00, 0x17), (0x28, 0x35)), filler=NOTHING),
    # 0.1 V, 0.01 A, 0.01 W, 0.01 Hz, 0.01 kWh
    "abb-b23": Device(
        {
            "voltage_l1_v": (0x5B00, "0000 0901", 230.5),
            "voltage_l2_v": (0x5B02, "0000 0908", 231.2),
            "voltage_l3_v": (0x5B04, "ffff ffff", None),  # a B21 has one phase: no value
            "current_l1_a": (0x5B0C, "0000 01f4", 5.0),  # 500
            "current_l2_a": (0x5B0E, "0000 0258", 6.0),
            "current_l3_a": (0x5B10, "ffff ffff", None),
            "power_w": (0x5B14, "0012 d687", 12_345.67),  # 1234567 is 0x12d687
            "power_l1_w": (0x5B16, "0006 1a80", 4000.0),  # 400000 is 0x61a80
            "power_l2_w": (0x5B18, "fffd 79c7", -1654.33),  # -165433
            "power_l3_w": (0x5B1A, "7fff ffff", None),
            "frequency_hz": (0x5B2C, "1386", 49.98),  # 4998
            "power_factor": (0x5B3A, "03b6", 0.95),  # 950
            "energy_import_wh": (0x5000, "0000 011f 71fb 04cb", 12_345_678_901_230.0),  # 1234567890123 times 10 Wh
            "energy_export_wh": (0x5004, "ffff ffff ffff ffff", None),
        },
        spans=((0x5B00, 0x5B3A),),
        filler=NOTHING,
    ),
    # 0.01 V, 0.001 A, 0.01 Hz, 10 W, kWh
    "socomec-diris-a10": Device(
        {
            "voltage_l12_v": (0xC552, "0000 9c40", 400.0),  # 40000
            "voltage_l23_v": (0xC554, "0000 9ca4", 401.0),
            "voltage_l31_v": (0xC556, "0000 9bdc", 399.0),
            "voltage_l1_v": (0xC558, "0000 5a0a", 230.5),  # 23050
            "voltage_l2_v": (0xC55A, "0000 5a55", 231.25),
            "voltage_l3_v": (0xC55C, "0000 59bf", 229.75),
            "frequency_hz": (0xC55E, "0000 1386", 49.98),
            "current_l1_a": (0xC560, "0000 1388", 5.0),
            "current_l2_a": (0xC562, "0000 1770", 6.0),
            "current_l3_a": (0xC564, "0000 1b58", 7.0),
            "power_w": (0xC568, "0000 04d2", 12_340.0),  # 1234
            "reactive_var": (0xC56A, "ffff ff9c", -1000.0),  # -100
            "apparent_va": (0xC56C, "0000 04d6", 12_380.0),
            "power_l1_w": (0xC570, "0000 0190", 4000.0),
            "power_l2_w": (0xC572, "0000 03e8", 10_000.0),
            "power_l3_w": (0xC574, "ffff ff5a", -1660.0),  # -166
            "energy_import_wh": (0xC65C, "0012 d687", 1_234_567_000.0),
            "energy_export_wh": (0xC662, "0000 0003", 3000.0),
        },
        spans=((0xC550, 0xC599), (0xC65C, 0xC665)),
        filler="dead dead",
        others=("holding 50004 0190",),  # 400: Diris
        proof=Proof.PROVEN,
    ),
    # 0.1 V, 0.001 A, W, 0.01 Hz, Wh, the low word first
    "ziehl-efr4001ip": Device(
        {
            "voltage_l1_v": (0xB0, "0901 0000", 230.5),
            "voltage_l2_v": (0xB2, "0908 0000", 231.2),
            "voltage_l3_v": (0xB4, "08fa 0000", 229.8),
            "current_l1_a": (0xB6, "1388 0000", 5.0),
            "current_l2_a": (0xB8, "1770 0000", 6.0),
            "current_l3_a": (0xBA, "1b58 0000", 7.0),
            "power_l1_w": (0xBC, "0fa0 0000", 4000.0),
            "power_l2_w": (0xBE, "2710 0000", 10_000.0),
            "power_l3_w": (0xC0, "f989 ffff", -1655.0),
            "power_w": (0xC2, "3039 0000", 12_345.0),
            "reactive_var": (0xCA, "fc18 ffff", -1000.0),
            "frequency_hz": (0xDA, "1386 0000", 49.98),
            "energy_export_wh": (0x15C, "0003 0000", 3.0),
            "energy_import_wh": (0x164, "d687 0012", 1_234_567.0),
        },
        spans=((0xB0, 0xDB), (0x156, 0x165)),
        filler="dead dead",
    ),
    # V, A, kW, 0.01, 0.01 Hz, 0.001 MWh
    "sel-751a": Device(
        {
            "current_l1_a": (650, "0005", 5.0),
            "current_l2_a": (652, "0006", 6.0),
            "current_l3_a": (654, "0007", 7.0),
            "voltage_l12_v": (667, "0190", 400.0),
            "voltage_l23_v": (669, "0191", 401.0),
            "voltage_l31_v": (671, "018f", 399.0),
            "voltage_l1_v": (674, "00e6", 230.0),
            "voltage_l2_v": (676, "00e7", 231.0),
            "voltage_l3_v": (678, "00e5", 229.0),
            "power_w": (685, "fff4", -12_000.0),  # -12
            "reactive_var": (686, "0003", 3000.0),
            "apparent_va": (687, "000d", 13_000.0),
            "power_factor": (688, "ff9e", -0.98),  # -98
            "frequency_hz": (689, "176e", 59.98),  # 5998
            "energy_import_wh": (690, "0012 d687", 1_234_567_000.0),  # 1234.567 MWh
        },
        spans=((650, 705),),
        filler=NOTHING,
    ),
}
