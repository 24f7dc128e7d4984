#!/bin/sh
# storm: kills, injected errors, full disks, closed streams, signals and crowds; tests/long/storm.py says what is right.
# STORM=10: a tenth of it. SEED=N: another storm. ONLY=error or error:17: that section or trial alone.
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "skipped storm: Python 3 is not installed"
    echo "storm: 0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec python3 tests/long/storm.py "${1:-./pyrdiff}" --part "${STORM:-1}" --seed "${SEED:-1}" ${ONLY:+--only "$ONLY"}
