"""NVML through nvidia-ml-py: what the worker reads and sets, with the driver's error codes as our words.

This file and worker.py are all that knows the library, and the only place where a driver call is made. Source: NVIDIA's
nvml.h (API 13) and nvidia-ml-py 13.615.71.

- Power is field 186, the board's power now. nvmlDeviceGetPowerUsage is the mean of one second on Ampere (except GA100)
  and newer, and only the fallback.
- Limits are set by nvmlDeviceSetPowerManagementLimit and read back. Never by the newer `_v2` function: the binding
  drops its return code and reports success whatever happened.
- A limit holds until the driver unloads the board, which it does when its last client ends, unless persistence mode is
  on: so that is turned on with the first limit that is set.
- What a board or an old driver doesn't have (codes 3, 13 and 25) is asked once per GPU and never again.
- Field values are checked one by one: a lost GPU gives code 15 in each of them and no exception.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pynvml

from drivers.gpu.messages import FREE, Clocks, GpuInfo, GpuReading, Health, Refusal
from drivers.gpu.orders import Applied, Apply, Enumerated, Looked

_ABSENT = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
)
_HEALTH: dict[int, Health] = {
    pynvml.NVML_ERROR_UNINITIALIZED: "reloading",
    pynvml.NVML_ERROR_INVALID_ARGUMENT: "gone",
    pynvml.NVML_ERROR_NOT_FOUND: "gone",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "no_driver",
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no_library",
    pynvml.NVML_ERROR_GPU_IS_LOST: "lost",
    pynvml.NVML_ERROR_RESET_REQUIRED: "lost",
    pynvml.NVML_ERROR_GPU_NOT_FOUND: "gone",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "reloading",
}
_OF_ALL: tuple[Health, ...] = ("reloading", "no_driver", "no_library")  # what concerns every GPU
_REASONS = {  # nvml.h, nvmlClocksEventReasons
    0x1: "idle",
    0x2: "clocks_setting",
    0x4: "power_cap",
    0x8: "hardware_slowdown",
    0x10: "sync_boost",
    0x20: "thermal",
    0x40: "hardware_thermal",
    0x80: "power_brake",
    0x100: "display_clocks",
}
_UNION = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # by nvmlValueType_t
_SAME_W = 0.5  # drivers round a limit to 1 W or finer


def health_of(error: pynvml.NVMLError) -> Health:
    """Our word for one of the driver's errors."""
    return _HEALTH.get(error.value, "trouble")


def in_words(error: pynvml.NVMLError) -> str:
    """What a person should read of it."""
    return f"{error} (NVML code {error.value})"


def spread(health: Health) -> Health:
    """What one GPU's health says about the worker."""
    return health if health in _OF_ALL else "ok"


class Gpus:
    """The GPUs of this machine, by UUID: indices move when one disappears."""

    def __init__(self) -> None:
        self._handles: dict[str, Any] = {}
        self._absent: set[tuple[str, str]] = set()  # (UUID, function) that need not be asked again

    def enumerate(self) -> Enumerated:
        """Start NVML and find them."""
        try:
            pynvml.nvmlInit()
            driver = pynvml.nvmlSystemGetDriverVersion()
            indices = range(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            return Enumerated(health_of(error), in_words(error))
        found, lost, detail = [], 0, ""
        for index in indices:
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid = pynvml.nvmlDeviceGetUUID(handle)
                self._handles[uuid] = handle
                found.append(self._info(uuid, _text(driver)))
            except pynvml.NVMLError as error:
                lost += 1
                detail = f"GPU {index}: {in_words(error)}"
        return Enumerated("ok", detail, tuple(found), lost)

    def handles(self) -> dict[str, Any]:
        """The driver's own handles, for the event wait."""
        return self._handles

    def look(self, uuid: str) -> Looked:
        """Read one."""
        handle = self._handles.get(uuid)
        if handle is None:
            return Looked(GpuReading(uuid, "gone", None, "not enumerated"))
        try:
            return Looked(self._read(uuid, handle))
        except pynvml.NVMLError as error:
            health = health_of(error)
            return Looked(GpuReading(uuid, health, None, in_words(error)), spread(health))

    def apply(self, order: Apply) -> Applied:
        """Set one, then read back what was set: the return code alone proves nothing."""
        handle = self._handles.get(order.uuid)
        if handle is None:
            return Applied("gone", False, "not enumerated")
        tried = False
        try:
            if order.limit_w is not None:
                before_w = pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1000
                refusal = _out_of_range(handle, order.limit_w)
                if refusal:
                    return Applied("out_of_range", False, refusal, before_w)
                if order.limit_w > before_w + _SAME_W and not order.may_raise:
                    return Applied("no_lease", False, f"{before_w:g} W is less and no lease is live", before_w)
                tried = True
                _persist(handle)
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, round(order.limit_w * 1000))
            if order.clocks is not None:
                tried = True
                _lock(handle, order.clocks)
            after_w = pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1000
        except pynvml.NVMLError as error:
            return _refused(error, tried)
        if order.limit_w is not None and abs(after_w - order.limit_w) > _SAME_W:
            detail = f"asked for {order.limit_w:g} W, the driver then says {after_w:g} W"
            return Applied("read_back", True, detail, after_w, order.clocks)
        return Applied("ok", True, "", after_w, order.clocks)

    def _info(self, uuid: str, driver: str) -> GpuInfo:
        handle = self._handles[uuid]
        limits = self._ask(uuid, "constraints", lambda: pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle))
        default = self._ask(uuid, "default", lambda: pynvml.nvmlDeviceGetPowerManagementDefaultLimit(handle))
        return GpuInfo(
            uuid=uuid,
            name=_text(self._ask(uuid, "name", lambda: pynvml.nvmlDeviceGetName(handle)) or ""),
            driver=driver,
            bus=_text(self._ask(uuid, "bus", lambda: pynvml.nvmlDeviceGetPciInfo(handle).busId) or ""),
            limit_w_min=None if limits is None else limits[0] / 1000,
            limit_w_max=None if limits is None else limits[1] / 1000,
            limit_w_default=None if default is None else default / 1000,
            sm_mhz_min=self._ask(uuid, "clocks", lambda: _lowest_mhz(handle)),
            sm_mhz_max=self._ask(
                uuid, "max clock", lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
            ),
        )

    def _read(self, uuid: str, handle: Any) -> GpuReading:
        def ask(name: str, call: Callable[[], Any]) -> Any:
            return self._ask(uuid, name, call)

        power_mw, memory_c = self._fields(uuid, handle)
        kind = "instant"
        if power_mw is None:
            power_mw, kind = ask("power", lambda: pynvml.nvmlDeviceGetPowerUsage(handle)), "average"
        energy_mj = ask("energy", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        busy = ask("utilisation", lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
        celsius = ask("temperature", lambda: pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU))
        if celsius is None:
            celsius = ask("old temperature", lambda: pynvml.nvmlDeviceGetTemperature(handle, 0))
        reasons = ask("reasons", lambda: pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        if reasons is None:
            reasons = ask("old reasons", lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        limit_mw = ask("limit", lambda: pynvml.nvmlDeviceGetPowerManagementLimit(handle))
        enforced_mw = ask("enforced limit", lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        return GpuReading(
            uuid=uuid,
            health="ok",
            age_ns=None,
            power_w=_thousandth(power_mw),
            power_kind="" if power_mw is None else kind,
            energy_j=_thousandth(energy_mj),
            busy_percent=None if busy is None else busy.gpu,
            memory_busy_percent=None if busy is None else busy.memory,
            temperature_c=celsius,
            memory_temperature_c=memory_c,
            sm_mhz=ask("SM clock", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)),
            memory_mhz=ask("memory clock", lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)),
            reasons=tuple(word for bit, word in _REASONS.items() if (reasons or 0) & bit),
            limit_w=_thousandth(limit_mw),
            limit_w_enforced=_thousandth(enforced_mw),
        )

    def _fields(self, uuid: str, handle: Any) -> tuple[Any, Any]:
        """Power now and the memory's temperature, in one call."""
        wanted = [pynvml.NVML_FI_DEV_POWER_INSTANT, pynvml.NVML_FI_DEV_MEMORY_TEMP]
        fields = [field for field in wanted if (uuid, f"field {field}") not in self._absent]
        values: Sequence[Any] = ()
        if fields:
            values = self._ask(uuid, "fields", lambda: pynvml.nvmlDeviceGetFieldValues(handle, fields)) or ()
        got: dict[int, Any] = {}
        for value in values:
            if value.nvmlReturn in _ABSENT:
                self._absent.add((uuid, f"field {value.fieldId}"))
            elif value.nvmlReturn != pynvml.NVML_SUCCESS:
                raise pynvml.NVMLError(value.nvmlReturn)
            elif value.valueType < len(_UNION):
                got[value.fieldId] = getattr(value.value, _UNION[value.valueType])
        return got.get(wanted[0]), got.get(wanted[1])

    def _ask(self, uuid: str, name: str, call: Callable[[], Any]) -> Any:
        """What the driver says, None when it doesn't have that here."""
        if (uuid, name) in self._absent:
            return None
        try:
            return call()
        except pynvml.NVMLError as error:
            if error.value == pynvml.NVML_ERROR_NO_PERMISSION:
                return None
            if error.value not in _ABSENT:
                raise
            self._absent.add((uuid, name))
            return None


def _persist(handle: Any) -> None:
    """Have the driver keep the board awake: otherwise it forgets the limit when its last client ends, as we might."""
    with contextlib.suppress(pynvml.NVMLError):  # not permitted or not known: then the set itself tells what matters
        if pynvml.nvmlDeviceGetPersistenceMode(handle) == 0:
            pynvml.nvmlDeviceSetPersistenceMode(handle, 1)


def _lock(handle: Any, clocks: Clocks) -> None:
    if clocks == FREE:
        pynvml.nvmlDeviceResetGpuLockedClocks(handle)
    else:
        pynvml.nvmlDeviceSetGpuLockedClocks(handle, clocks.low_mhz, clocks.high_mhz)


def _out_of_range(handle: Any, limit_w: float) -> str:
    low_mw, high_mw = pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
    if low_mw <= round(limit_w * 1000) <= high_mw:
        return ""
    return f"{limit_w:g} W; this GPU takes {low_mw / 1000:g} to {high_mw / 1000:g} W"


def _refused(error: pynvml.NVMLError, tried: bool) -> Applied:
    refusal: Refusal | None = None
    if error.value == pynvml.NVML_ERROR_NO_PERMISSION:
        refusal = "no_permission"
    elif error.value in _ABSENT:
        refusal = "unsupported"
    elif error.value == pynvml.NVML_ERROR_INVALID_ARGUMENT:
        refusal = "out_of_range"
    if refusal is not None:
        return Applied(refusal, tried, in_words(error))
    health = health_of(error)
    return Applied(health, tried, in_words(error), worker=spread(health))


def _lowest_mhz(handle: Any) -> int:
    memory_mhz = max(pynvml.nvmlDeviceGetSupportedMemoryClocks(handle), default=0)
    lowest_mhz = min(pynvml.nvmlDeviceGetSupportedGraphicsClocks(handle, memory_mhz), default=0)
    if not lowest_mhz:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    return int(lowest_mhz)


def _thousandth(value: Any) -> float | None:
    return None if value is None else value / 1000


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
