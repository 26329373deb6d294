"""``python -m tests.fuzzing [--jobs N] [--runs N] [PARSER...]``: atheris on each parser, in processes of its own.

What it finds interesting stays in ``build/fuzz/PARSER`` for the next time; ``tests/data/fuzz/PARSER`` is the small
corpus that is kept. An input that breaks a parser is left in ``build/fuzz`` and belongs into the kept corpus.
``--minimise PARSER...`` adds to it what reaches a branch that nothing kept reaches, and thins out the former.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "data" / "fuzz"
WORK = ROOT / "build" / "fuzz"
MAX_INPUT = 2048
DECODED_TOGETHER = 64
RUNS_A_PROCESS = 200_000
"""What atheris notes of each comparison it never gives back: up to 1 KiB a run, without atheris nothing stays."""

LIMITS = ["-timeout=5", "-rss_limit_mb=1024", f"-max_len={MAX_INPUT}", "-print_final_stats=1", "-verbosity=0"]
EXECUTED = re.compile(r"number_of_executed_units: (\d+)")


@attrs.frozen
class Outcome:
    """What came of fuzzing a parser.

    :ivar executed: how many inputs were tried.
    :ivar said: what was said when it broke, empty when it did not.
    """

    executed: int
    said: str


def one(name: str, runs: int, together: int, arguments: Sequence[str]) -> None:
    """Fuzz one parser in this process; ends it."""
    import atheris

    with atheris.instrument_imports(include=["kproxy_tw"]):
        from tests.fuzzing.targets import TARGETS
    from tests.fuzzing.pooled import Pool, keep_in

    again = f"{sys.executable} -m tests.fuzzing --one {name} {runs} {together}"  # libFuzzer's processes of its own
    atheris.Setup([again, *arguments], Pool(TARGETS[name], together, runs, keep_in(WORK, name)))
    atheris.Fuzz()


def folders(name: str) -> list[str]:
    """Where inputs of a parser stand; new ones go to the first, which has the seeds, too."""
    from tests.fuzzing.seeds import SEEDS

    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(SEEDS[name]()):
        (corpus / f"seed{index}").write_bytes(data)
    return [str(corpus), *([str(KEPT / name)] if (KEPT / name).is_dir() else [])]


def fuzzed(name: str, runs: int, together: int, arguments: Sequence[str]) -> Outcome:
    """Run one process with these arguments for libFuzzer."""
    command = [sys.executable, "-m", "tests.fuzzing", "--one", name, str(runs), str(together), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = EXECUTED.search(ended.stdout + ended.stderr)
    said = f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}" if ended.returncode else ""
    return Outcome(int(told[1]) if told else 0, said)


def fuzz(name: str, runs: int) -> Outcome:
    """Fuzz one parser, in as many processes, one after the other, as it takes."""
    executed = 0
    while executed < runs:
        most = min(RUNS_A_PROCESS, runs - executed)
        arguments = [f"-runs={most}", f"-artifact_prefix={WORK}/{name}-", *LIMITS, *folders(name)]
        outcome = fuzzed(name, most, DECODED_TOGETHER, arguments)
        executed += outcome.executed
        print(f"{name:<10} {executed:>9} of {runs}", file=sys.stderr, flush=True)
        if outcome.said or not outcome.executed:
            return Outcome(executed, outcome.said or "no input was tried")
    return Outcome(executed, "")


def told(name: str, runs: int) -> bool:
    """Fuzz one parser and tell what came of it; whether it held."""
    started = time.monotonic()
    outcome = fuzz(name, runs)
    seconds = time.monotonic() - started
    verdict = f"BROKEN\n{outcome.said}" if outcome.said else "sound"
    print(f"{name:<10} {outcome.executed:>9} runs {seconds:7.0f} s  {verdict}", flush=True)
    return not outcome.said


def minimise(name: str) -> None:
    """Keep what reaches a branch that nothing kept reaches, and of the rest what the fuzzer learns from."""
    kept, corpus = KEPT / name, WORK / name
    kept.mkdir(parents=True, exist_ok=True)
    merged("-use_counters=0", name, kept, corpus)
    for file in kept.iterdir():
        file.rename(file.with_name(file.name[:12]))
    with tempfile.TemporaryDirectory(dir=WORK) as chosen:
        merged("-use_counters=1", name, Path(chosen), corpus)
        shutil.rmtree(corpus)
        shutil.copytree(chosen, corpus)
    print(f"{name:<10} {len(list(kept.iterdir()))} inputs are kept, {len(list(corpus.iterdir()))} are to begin with")


def merged(counters: str, name: str, into: Path, source: Path) -> None:
    """Add the inputs that reach something new. :raises SystemExit: libFuzzer failed."""
    outcome = fuzzed(name, 0, 1, ["-merge=1", counters, f"-max_len={MAX_INPUT}", str(into), str(source)])
    if outcome.said:
        raise SystemExit(outcome.said)


def main() -> int:
    """Fuzz the parsers; 1 when one of them broke."""
    from tests.fuzzing.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("--minimise", action="store_true", help="thin out what was found; nothing else")
    parser.add_argument("--jobs", type=int, default=1, help="parsers at a time")
    parser.add_argument("--runs", type=int, default=2_000_000, help="inputs for each parser")
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help="all, if not told")
    told_to = parser.parse_args()
    names = told_to.parsers or list(TARGETS)
    WORK.mkdir(parents=True, exist_ok=True)
    if told_to.minimise:
        for name in names:
            minimise(name)
        return 0
    with ThreadPoolExecutor(told_to.jobs) as several:
        return 0 if all(list(several.map(lambda name: told(name, told_to.runs), names))) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
    else:
        sys.exit(main())
