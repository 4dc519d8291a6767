"""Run in a network namespace of its own (`unshare -rn`): 500 stand-ins, 500 addresses that drop, and one scan of all.

python -m tests.e2e.cli.scanned FOLDER
"""

import subprocess
import sys
from pathlib import Path

from hil.remote import RigProcess
from hil.rig import MinerGroup, RigConfig
from hil.under_test import ballast

MINERS = "127.41.0.1-127.41.1.244"
DROPPED = "127.40.0.1-127.40.1.244"
EACH = 500
_RULES = """
table inet scanned {
    chain input {
        type filter hook input priority 0;
        ip daddr 127.40.0.0/16 drop
    }
}
"""


def main(folder: Path) -> int:
    """Scans; what it printed and the inventories are in the folder."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["nft", "-f", "-"], input=_RULES, text=True, check=True)
    with RigProcess(RigConfig(miners=(MinerGroup("127.41.0.1", EACH),), meters=())):
        words = [ballast(), "scan", MINERS, DROPPED, "--json", "--inventory", str(folder / "inventory")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    (folder / "found.json").write_text(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
