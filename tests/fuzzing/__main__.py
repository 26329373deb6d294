"""``python -m tests.fuzzing RUNS [PARSER...]``: atheris on each parser, in processes of its own.

What it finds interesting stays in ``build/fuzz/PARSER`` for the next time; ``tests/data/fuzz/PARSER`` is the small
corpus that is kept. An input that breaks a parser is left in ``build/fuzz`` and belongs into the kept corpus.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "data" / "fuzz"
WORK = ROOT / "build" / "fuzz"
MAX_INPUT = 2048
RUNS_A_PROCESS = 20_000
"""What atheris notes of each comparison it never gives back: up to 40 KiB a run, without atheris nothing stays."""

LIMITS = ["-timeout=5", "-rss_limit_mb=1024", f"-max_len={MAX_INPUT}", "-print_final_stats=1", "-verbosity=0"]


def one(name: str, runs: str) -> None:
    """Fuzz one parser in this process; ends it."""
    import atheris

    with atheris.instrument_imports(include=["kproxy_tw"]):
        from tests.fuzzing.targets import TARGETS
    from tests.fuzzing.seeds import SEEDS

    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(SEEDS[name]()):
        (corpus / f"seed{index}").write_bytes(data)
    folders = [str(corpus), *([str(KEPT / name)] if (KEPT / name).is_dir() else [])]
    arguments = [sys.argv[0], f"-runs={runs}", f"-artifact_prefix={WORK}/{name}-", *LIMITS, *folders]
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


def broke(name: str, runs: int) -> str:
    """Fuzz one parser; what was said when it broke, empty when it did not."""
    for done in range(0, runs, RUNS_A_PROCESS):
        command = [sys.executable, "-m", "tests.fuzzing", "--one", name, str(min(RUNS_A_PROCESS, runs - done))]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode:
            return f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    return ""


def main(runs: int, names: list[str]) -> int:
    """Fuzz the parsers one after the other; 1 when one of them broke."""
    from tests.fuzzing.targets import TARGETS

    broken = []
    for name in names or TARGETS:
        started = time.monotonic()
        said = broke(name, runs)
        seconds = time.monotonic() - started
        print(f"{name:<10} {runs:>9} runs {seconds:7.0f} s  {'BROKEN' if said else 'sound'}", flush=True)
        if said:
            broken.append(name)
            print(said)
    return 1 if broken else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3])
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000, sys.argv[2:]))
