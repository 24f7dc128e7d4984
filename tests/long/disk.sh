#!/bin/sh
# disk: a training on a simulated disk goes on from whatever a power cut leaves, wherever it comes, in the going on, too
# (about 20 minutes on 2 cores).
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
        python3 tests/disk/crash.py "$program" --kind $kind ${TREES:---twice 5} || bad "see above"
    fi
done

finish
