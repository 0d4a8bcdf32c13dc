"""``make bench``: every benchmark, side by side with its baseline, as ratios of one run."""

from __future__ import annotations

import platform
import sqlite3
import sys

from bench import bench_ledger, bench_quote, bench_readers, bench_taps, bench_till


def main() -> None:
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    for bench in (bench_ledger, bench_quote, bench_till, bench_readers, bench_taps):
        print(f"\n== {bench.__name__.removeprefix('bench.bench_')}: {(bench.__doc__ or '').splitlines()[0]}")
        bench.main()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
