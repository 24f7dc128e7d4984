# lib.sh - what a test of commands needs; tests/cli/NAME.sh begins with
#
#     . tests/cli/lib.sh            from the project's root; $1 is the program, by default ./pyrdiff
#     begin "what is shown"         a case: passed when all that follows holds
#     pyr info --check "$dir"       run the program
#     gives 0                       its exit status was 0
#     says "OK"                     its stdout contains this; complains "..." the same of stderr
#     holds cmp "$a" "$b"           a command that succeeds
#     skip "why"                    the case counts as skipped
#     finish                        "codes: 12 passed, 0 failed, 1 skipped", and the verdict as exit status
#
# A crash or a sanitizer's report fails a case whatever it expects. "$tmp" is a
# folder for the test's files, removed at the end. The second argument chooses
# the cases whose names contain it.

program=${1:-./pyrdiff}
only=${2:-}
test_name=$(basename "$0" .sh)
passed=0 failed=0 skipped=0 case_name='' case_state=none reported=0
status=0 last_command=''

if [ ! -x "$program" ]; then
    echo "$test_name: $program is not there: make it first, and run this from the project's root"
    exit 1
fi
tmp=$(mktemp -d "${TMPDIR:-/tmp}/pyrdiff-test.XXXXXX") || exit 1
export XDG_CACHE_HOME="$tmp/cache" # measured choices: not those of the person at the keyboard
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
: >"$tmp/stdout"
: >"$tmp/stderr"

end_case() {
    case $case_state in
    good) passed=$((passed + 1)) ;;
    bad)
        failed=$((failed + 1))
        echo "FAILED $case_name: again with: sh $0 $program \"$case_name\""
        ;;
    skipped) skipped=$((skipped + 1)) ;;
    esac
    case_state=none reported=0
}

# The checks of a case that is not wanted do nothing.
begin() {
    end_case
    case_name=$1
    case $1 in
    *"$only"*) case_state=good ;;
    esac
}

wanted() { [ "$case_state" = good ] || [ "$case_state" = bad ]; }

skip() {
    wanted || return 0
    echo "skipped $case_name: $1"
    case_state=skipped
}

bad() {
    case_state=bad
    reported=$((reported + 1))
    [ "$reported" -le 3 ] || return 0
    echo "$test_name, $case_name: $1"
    echo "    command: $last_command"
    sed 's/^/    stderr: /' "$tmp/stderr" | head -n 5
}

pyr() {
    wanted || return 0
    last_command="$program $*"
    "$program" "$@" >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    if [ "$status" -gt 2 ] || grep -q -e 'runtime error:' -e 'ERROR: .*Sanitizer' "$tmp/stderr"; then
        bad "crashed, or a sanitizer reported (status $status)"
    fi
}

gives() {
    wanted || return 0
    [ "$status" -eq "$1" ] || bad "exit status $status, should be $1"
}

says() {
    wanted || return 0
    grep -q -F -e "$1" "$tmp/stdout" || bad "stdout lacks \"$1\""
}

complains() {
    wanted || return 0
    grep -q -F -e "$1" "$tmp/stderr" || bad "stderr lacks \"$1\""
}

# Fails with status $1 and one sentence that contains $2.
refuses() {
    gives "$1"
    complains "$2"
}

holds() {
    wanted || return 0
    "$@" >/dev/null 2>&1 || bad "does not hold: $*"
}

finish() {
    end_case
    echo "$test_name: $passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
    exit
}

# ---- Python ----

# Set $python to one that has these modules, "none" without. Debian's packages are those of /usr/bin/python3.
find_python() {
    for python in "${PYTHON-}" python3 /usr/bin/python3; do
        [ -n "$python" ] && "$python" -c "import $(echo "$*" | tr ' ' ,)" 2>/dev/null && return
    done
    python=none
}

# ---- training ----

# The network of level $2 of run $1.
weights() { echo "$1/level-$2/unet/diffusion_pytorch_model.safetensors"; }

# Start training in the background, to be killed.
train_behind() {
    "$program" train "$@" >/dev/null 2>"$tmp/behind" &
    behind=$!
}
# Wait until the log of level $2 of run $1 has a line of step $3 or later, or the process has ended.
wait_for_step() {
    while kill -0 "$behind" 2>/dev/null; do
        last=$(tail -n 1 "$1/level-$2/log.jsonl" 2>/dev/null | sed -n 's/^{"step": \([0-9]*\),.*/\1/p')
        [ "${last:-0}" -ge "$3" ] && return
        sleep 0.01
    done
}

# ---- files with a fault ----

size_of() { wc -c <"$1" | tr -d ' '; }

# Write the bytes of the printf format $3 into file $1 at offset $2 (negative: from the end).
patch_bytes() {
    at=$2
    [ "$at" -ge 0 ] || at=$(($(size_of "$1") + at))
    # shellcheck disable=SC2059
    printf "$3" | dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
}

# Copy the first $3 bytes of $1 (negative: all but so many) to $2.
cut_short() {
    n=$3
    [ "$n" -ge 0 ] || n=$(($(size_of "$1") + n))
    dd if="$1" of="$2" bs=1 count="$n" 2>/dev/null
}

# Copy $1 to $2 with the first $3 replaced by the equally long $4 (a header's text; basic regular expression).
edit_bytes() {
    LC_ALL=C sed "s/$3/$4/" "$1" >"$2"
    [ "$(size_of "$1")" -eq "$(size_of "$2")" ] && ! cmp -s "$1" "$2"
}
