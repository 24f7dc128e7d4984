#!/bin/sh
# Outputs that are no regular files, standard streams that are closed, files of killed writers.
. tests/cli/lib.sh

run=$tmp/run
"$program" train --config tests/tiny.cfg --outdir "$run" --duration 640 --snapshot -1 --threads 1 >/dev/null 2>&1

begin "a pipe is written into"
if wanted; then
    mkfifo "$tmp/pipe"
    cat "$tmp/pipe" >"$tmp/got" &
    pyr report "$run" --out "$tmp/pipe"
    wait
    gives 0
    holds test -p "$tmp/pipe"
    holds grep -q '</html>' "$tmp/got"
fi

begin "an archive of samples goes into a pipe, too"
if wanted; then
    mkdir "$tmp/piped"
    mkfifo "$tmp/piped/samples.npz"
    cat "$tmp/piped/samples.npz" >"$tmp/got.npz" &
    pyr sample --network "$run" --seeds 0-7 --outdir "$tmp/piped" --threads 1
    wait
    gives 0
    pyr sample --network "$run" --seeds 0-7 --outdir "$tmp/filed" --threads 1
    pyr info --data "$tmp/got.npz" --set data.held_out=0
    gives 0
    says "8 images"
    if python3 -c 'import zipfile' 2>/dev/null; then
        holds python3 -c 'import sys, zipfile
a, b = (zipfile.ZipFile(name) for name in sys.argv[1:])
assert a.testzip() is None and a.namelist() == b.namelist()
assert all(a.read(name) == b.read(name) for name in a.namelist())' "$tmp/got.npz" "$tmp/filed/samples.npz"
    fi
fi

begin "devices stay devices"
pyr eval "$run" --count 8 --metrics colour --threads 1 --json /dev/null
gives 0
holds test -c /dev/null
pyr report "$run" --out /dev/full
refuses 1 "/dev/full cannot be written: No space left on device"
holds test -c /dev/full

begin "standard output by its name"
pyr eval "$run" --count 8 --metrics colour --threads 1 --json /dev/stdout
gives 0
says '"images"'
holds test -c /dev/null
if wanted; then
    "$program" eval "$run" --count 8 --metrics colour --threads 1 --json /dev/stdout 2>/dev/null | cat >"$tmp/stdout"
    says '"images"'
fi

begin "links are followed"
if wanted; then
    mkdir "$tmp/other"
    ln -s other/page.html "$tmp/link.html"
    pyr report "$run" --out "$tmp/link.html"
    gives 0
    holds test -L "$tmp/link.html"
    holds grep -q '</html>' "$tmp/other/page.html"
    echo old >"$tmp/other/page.html"
    pyr report "$run" --out "$tmp/link.html"
    gives 0
    holds test -L "$tmp/link.html"
    holds grep -q '</html>' "$tmp/other/page.html"
    # the folder that is asked is the one behind the link
    mkdir "$tmp/closed-folder"
    echo old >"$tmp/other/e.json"
    ln -s ../other/e.json "$tmp/closed-folder/e.json"
    chmod 555 "$tmp/closed-folder"
    pyr eval "$run" --count 8 --metrics colour --threads 1 --json "$tmp/closed-folder/e.json"
    gives 0
    holds grep -q '"images"' "$tmp/other/e.json"
    chmod 755 "$tmp/closed-folder"
fi

begin "closed standard streams"
pyr sample --network "$run" --seeds 0-15 --threads 1 --outdir "$tmp/open"
gives 0
for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    wanted || break
    rm -rf "$tmp/closed" "$tmp/train"
    last_command="sample, train, $closed"
    : >"$tmp/stderr"
    eval "\"\$program\" sample --network \"\$run\" --seeds 0-15 --threads 1 --outdir \"\$tmp/closed\" >/dev/null 2>&1 $closed"
    status=$?
    gives 0
    holds cmp "$tmp/open/samples.npz" "$tmp/closed/samples.npz"
    holds cmp "$tmp/open/000003.png" "$tmp/closed/000003.png"
    eval "\"\$program\" train --config tests/tiny.cfg --outdir \"\$tmp/train\" --duration 640 --snapshot -1 --threads 1 >/dev/null 2>&1 $closed"
    status=$?
    gives 0
    for level in 0 1 2; do
        holds cmp "$(weights "$run" $level)" "$(weights "$tmp/train" $level)"
        holds test "$(grep -c -v '^{.*}$' "$tmp/train/level-$level/log.jsonl")" = 0
    done
done

begin "what killed processes left"
if wanted; then
    cp -r "$run" "$tmp/left"
    for name in pyrdiff.cfg states-change-places level-0/state.safetensors level-1/unet/config.json; do
        : >"$tmp/left/$name.tmp-0"
        : >"$tmp/left/$name.tmp-31415"
    done
    pyr train --config tests/tiny.cfg --outdir "$tmp/left" --duration 640 --snapshot -1 --threads 1
    gives 0
    mkdir "$tmp/samples"
    for name in 000007.png samples.npz; do : >"$tmp/samples/$name.tmp-4"; done
    echo mine >"$tmp/samples/notes.tmp-1"
    pyr sample --network "$run" --seeds 0-3 --threads 1 --outdir "$tmp/samples"
    gives 0
    holds test -z "$(find "$tmp/left" -name '*.tmp-*')"
    holds test "$(find "$tmp/samples" -name '*.tmp-*')" = "$tmp/samples/notes.tmp-1"
    # one report killed while it is written, the next one takes its place
    echo half >"$tmp/page.html.tmp-0"
    pyr report "$run" --out "$tmp/page.html"
    gives 0
    holds test ! -e "$tmp/page.html.tmp-0"
fi

begin "trainings that begin together keep each other's measurements"
if wanted; then
    XDG_CACHE_HOME=$tmp/together
    for level in 0 1 2; do
        "$program" train --config tests/tiny.cfg --outdir "$tmp/three" --level $level --duration 320 --snapshot -1 --threads 1 >/dev/null 2>&1 &
    done
    wait
    XDG_CACHE_HOME=$tmp/cache
    if [ -s "$tmp/together/pyrdiff/tuning.json" ]; then
        holds test "$(grep -o '"micro-batch' "$tmp/together/pyrdiff/tuning.json" | wc -l)" -ge 3
    else
        skip "nothing is measured on this machine"
    fi
fi

finish
