"""`ballast-hil probe --gpu` over the fake driver."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.gpu.fake import NOT_LOADED, FakeDriver
from tests.e2e.hil.probing import Probed, run_probe

_GPUS = 2
_DEFAULT_MW = 700_000


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    return FakeDriver(tmp_path_factory.mktemp("driver"), _GPUS)


@pytest.fixture(autouse=True)
def mended(driver: FakeDriver) -> Iterator[None]:
    """Every test begins and ends with a driver that works."""
    yield
    driver.free()
    driver.fail(0)
    driver.deny(False)
    for at in range(_GPUS):
        driver.gpu(at).lost = 0
        driver.gpu(at).no_instant = 0
        driver.gpu(at).demand_mw = 650_000


def _probe(driver: FakeDriver, folder: Path, *words: str) -> Probed:
    return run_probe(folder, "--seconds", "1", "--timeout", "0.5", *words, environment=driver.environment())


def test_a_gpu_is_measured_and_nothing_of_it_is_set(driver: FakeDriver, tmp_path: Path) -> None:
    probed = _probe(driver, tmp_path, "--gpu", driver.uuid(1))

    measured = probed.report["measured"]
    assert probed.code == 0, probed.errors
    assert driver.uuid(1) in probed.report["device"]
    assert measured["limit_w"] == {"min": 200.0, "max": 700.0}
    assert probed.finding("values") == ("good", "12 of 12 are given; ")
    assert probed.finding("persistence")[0] == "note"
    assert probed.finding("energy")[0] == "good"
    assert driver.gpu(1).limit_mw == _DEFAULT_MW
    assert driver.gpu(1).persistent == 0


def test_a_limit_is_set_read_back_and_followed_by_the_watts_and_set_back(driver: FakeDriver, tmp_path: Path) -> None:
    probed = _probe(driver, tmp_path, "--gpu", "0", "--actuate", "--yes", "--settle", "6")

    down, up = probed.report["measured"]["turns"]
    lag_s = driver.gpu(0).lag_ms / 1000
    assert probed.code == 0, probed.errors
    assert (down["limit_w"], up["limit_w"]) == (200.0, 700.0)
    assert down["own"]["after"] == pytest.approx(200.0, abs=5.0)
    assert up["own"]["after"] == pytest.approx(650.0, abs=5.0)
    assert lag_s < down["own"]["there_s"] < 2.0  # an exponential is at 90 % after 2.3 of them, 0.12 s here
    assert down["read_back_s"] < 0.5
    assert driver.gpu(0).limit_mw == _DEFAULT_MW


def test_who_may_not_set_limits_is_told_so_and_the_rest_is_measured(driver: FakeDriver, tmp_path: Path) -> None:
    driver.deny(True)

    probed = _probe(driver, tmp_path, "--gpu", "0", "--actuate", "--yes")

    assert probed.code == 1
    assert "only root may set limits" in probed.finding("switching")[1]
    assert driver.gpu(0).limit_mw == _DEFAULT_MW


def test_an_idle_gpu_is_told_to_have_no_watts_that_could_fall(driver: FakeDriver, tmp_path: Path) -> None:
    driver.gpu(0).demand_mw = 70_000

    probed = _probe(driver, tmp_path, "--gpu", "0", "--actuate", "--yes", "--settle", "1")

    assert probed.finding("time to shed")[0] == "note"
    assert "give it a job" in probed.finding("time to shed")[1]


def test_an_older_board_tells_less_and_is_measured_all_the_same(driver: FakeDriver, tmp_path: Path) -> None:
    driver.gpu(0).no_instant = 1

    probed = _probe(driver, tmp_path, "--gpu", "0")

    assert probed.code == 0
    assert probed.finding("values") == ("note", "11 of 12 are given; not power now; ")


@pytest.mark.parametrize(
    ("gpu", "trouble", "code", "said"),
    [
        ("7", "", 3, "nvidia-smi -L lists"),
        ("GPU-no-such", "", 3, "nvidia-smi -L lists"),
        ("0", "lost", 5, "it fell off the bus"),
        ("0", "hang", 5, "has not come back from nvmlDeviceGetPowerUsage"),
        ("0", "no driver", 3, "is the driver loaded"),
    ],
)
def test_each_trouble_of_a_driver_is_told_by_its_name(
    driver: FakeDriver, tmp_path: Path, gpu: str, trouble: str, code: int, said: str
) -> None:
    if trouble == "lost":
        driver.gpu(0).lost = 1
    elif trouble == "hang":
        driver.hang("nvmlDeviceGetPowerUsage")
    elif trouble == "no driver":
        driver.fail(NOT_LOADED)

    probed = _probe(driver, tmp_path, "--gpu", gpu)

    assert (probed.code, said in probed.errors) == (code, True), probed.errors


def test_a_machine_without_the_library_is_told_so(tmp_path: Path) -> None:
    probed = run_probe(tmp_path, "--gpu", "0", "--library", str(tmp_path / "libnvidia-ml.so.1"))

    assert probed.code == 3
    assert "--library" in probed.errors
