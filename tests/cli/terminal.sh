#!/bin/sh
# Names of any bytes (of files, classes, tensors, options) are shown: no control character reaches the terminal,
# and none of them makes a line of its own.
. tests/cli/lib.sh

escape=$(printf '\033') bell=$(printf '\007') c1=$(printf '\302\233') turned=$(printf '\342\200\256') bad=$(printf '\377')
line='
class 9 forged'
# what the names below have in common: it is shown as $shown
evil="e${escape}[31m${bell}${c1}${turned}${bad}${line}"
shown='e\x1b[31m\x07\xc2\x9b\xe2\x80\xae\xff\nclass 9 forged'

# What was printed and complained: new lines and no other control characters, no line of $evil's.
clean() {
    wanted || return 0
    cat "$tmp/stdout" "$tmp/stderr" >"$tmp/both"
    if LC_ALL=C tr -d '\n' <"$tmp/both" | LC_ALL=C grep -q "[$(printf '\001-\037\177')]"; then
        bad "a control character reaches the terminal"
    fi
    for raw in "$c1" "$turned" "$bad"; do
        if LC_ALL=C grep -q -F -e "$raw" "$tmp/both"; then bad "$(echo "$raw" | od -An -tx1) reaches the terminal"; fi
    done
    if grep -q '^class 9 forged' "$tmp/both"; then bad "a line of a name's"; fi
    grep -q -F -e "$shown" "$tmp/both" || bad "\"$shown\" is not shown"
}

picture=tests/golden/images/grey_8.png

begin "classes and folders"
if mkdir -p "$tmp/data/$evil" "$tmp/data/b" 2>/dev/null; then
    for class in "$evil" b; do
        for i in 1 2 3; do cp $picture "$tmp/data/$class/$i.png"; done
    done
    pyr info --data "$tmp/data"
    gives 0
    says "class 0     b: "
    clean
    pyr train --config tests/tiny.cfg --data "$tmp/data" --outdir "$tmp/run" --duration 32 --classes \
        --set data.held_out=0 --set level.class_dropout=0.1
    gives 0
    pyr info "$tmp/run/level-0"
    gives 0
    clean
    pyr sample --network "$tmp/run" --class nobody --outdir "$tmp/s"
    gives 2
    clean
    pyr sample --network "$tmp/run" --class "$shown" --seeds 0 --outdir "$tmp/s" # as it is shown it can be typed
    gives 0
else
    skip "a file system without such names"
fi

begin "files that cannot be read"
mkdir -p "$tmp/broken"
echo "no picture" >"$tmp/broken/$evil.png"
cp $picture "$tmp/broken/a.png"
pyr info --data "$tmp/broken"
gives 1
clean
pyr info --data "$tmp/broken" --skip-bad
gives 0
clean
pyr decompose "$tmp/broken/$evil.png" --outdir "$tmp/d"
gives 1
clean

begin "paths that were typed"
cp $picture "$tmp/$evil.png"
pyr decompose "$tmp/$evil.png" --levels 2 --outdir "$tmp/$evil"
gives 0
clean
pyr info "$tmp/$evil"
gives 0
clean
pyr reconstruct "$tmp/$evil" "$tmp/$evil-back.png"
gives 0
clean
pyr sample --network "$tmp/none-$evil"
gives 1
clean
pyr train --config tests/tiny.cfg --duration 32 --outdir "$tmp/run-$evil"
gives 0
clean
pyr info "$tmp/run-$evil"
gives 0
clean
pyr train --config tests/tiny.cfg --duration 32 --outdir "$tmp/run-$evil" --batch 4
gives 1
complains "$tmp/run-$shown"
clean
pyr report "$tmp/run-$evil" --out "$tmp/$evil.html"
gives 0
clean
holds test -z "$(LC_ALL=C tr -d '\n\t' <"$tmp/$evil.html" | LC_ALL=C grep "[$(printf '\001-\037\177')]")"

begin "commands, options, settings"
pyr "$evil"
gives 2
clean
pyr info "--$evil"
gives 2
clean
pyr train --config tests/tiny.cfg --batch "$evil"
gives 2
clean
pyr train --config tests/tiny.cfg --set "level.$evil=1"
gives 2
clean
pyr train --config tests/tiny.cfg --set "pyramid.filter=$evil"
gives 2
clean
printf 'pyramid = { levels = "%s"; };\n' "$evil" >"$tmp/$evil.cfg"
pyr train --config "$tmp/$evil.cfg"
gives 1
clean
printf 'pyramid = { levels = 3\n' >"$tmp/$evil.cfg"
pyr train --config "$tmp/$evil.cfg"
gives 1
clean

begin "texts in a model's files"
model=tests/golden/unet2d/ddpm_like
shown='e\x1b[31m\x07\xc2\x9b\xe2\x80\xae'
if wanted; then
    cp -r $model "$tmp/model"
    sed 's/"_class_name": "[^"]*"/"_class_name": "e\\u001b[31m\\u0007\\u009b\\u202e"/' $model/config.json >"$tmp/model/config.json"
fi
pyr info "$tmp/model"
gives 1
clean

begin "nothing is printed past the two functions for it"
holds test -z "$(grep -nE '(^|[^a-z_])(printf|fprintf|puts|fputs|putchar|fputc|putc|vprintf|vfprintf|perror)\(' cli/*.c)"

finish
