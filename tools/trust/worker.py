"""The process that fuzzes one target; run_apart() starts it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

from tools.trust.engine import fuzz, limit_memory
from tools.trust.targets import TARGETS


def main() -> int:
    """Fuzz as the arguments say and print what became of it as one line of JSON."""
    name, seed, folder, seconds = sys.argv[1:]
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    target = TARGETS[name]
    for good in target.corpus():  # loads what it needs
        target.consume(good)
    limit_memory()
    tally = fuzz(target, int(seed), Path(folder), float(seconds))
    os.write(out, (json.dumps(dataclasses.asdict(tally)) + '\n').encode())
    return 0


if __name__ == '__main__':
    sys.exit(main())
