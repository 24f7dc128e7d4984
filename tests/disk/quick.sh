#!/bin/sh
# disk: a training on a simulated disk goes on from what a power cut leaves; of the trees those that differ in their names
# and states, without logs and locks (tests/long/disk.sh: all).
. tests/cli/lib.sh

for kind in apart cascade share; do
    begin "power cuts, $kind"
    if ! command -v strace >/dev/null || ! strace -o "$tmp/strace" true 2>/dev/null; then
        skip "strace cannot watch a process here"
    elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
        skip "Python 3.9 is not installed"
    elif wanted; then
        last_command="python3 tests/disk/crash.py $program --kind $kind"
        # shellcheck disable=SC2086
        python3 tests/disk/crash.py "$program" --kind $kind ${TREES:---tell names} || bad "see above"
    fi
done

finish
