#!/bin/sh
# docs/methods.md: what its rows name is there (settings and their words, commands and options, tests and their cases, files and
# headings), rows are counted, and what is not here has a reason.
. tests/cli/lib.sh

# What the program and the tests have, as tests/methods.awk reads it.
facts() {
    "$program" info --settings --markdown | awk -F ' *[|] *' '
        /^## `/ { section = $0; gsub(/^## `|`.*/, "", section) }
        /^\| `/ { gsub(/`/, "", $2); print "setting\t" section "." $2 "\t" $3 }'
    for command in $("$program" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
        "$program" "$command" --help | awk -v command="$command" '
            function told(words) {
                if (option == "")
                    return
                words = ""
                if (match(text, /one of: [^;)]*/))
                    words = substr(text, RSTART + 8, RLENGTH - 8)
                if (option == "--metrics" && match(text, /[a-z]+,[a-z,]*/))
                    words = substr(text, RSTART, RLENGTH)
                print "option\t" command "\t" option "\t" words
                if (twin != "")
                    print "option\t" command "\t" twin "\t"
            }
            /^  (-h, )?--/ {
                told()
                option = $1 == "-h," ? $2 : $1
                twin = ""
                if (sub(/^--\[no-\]/, "--", option)) {
                    twin = option
                    sub(/^--/, "--no-", twin)
                }
                text = ""
            }
            { sub(/^ */, ""); text = text (text == "" ? "" : " ") $0 }
            /^examples:/ { told(); exit }'
    done
    grep -oE 'RUN(_NAMED)?\("?[a-z0-9_]+' tests/test_*.c | sed 's|^tests/\([^:]*\):.*[("]|case\t\1\t|'
    grep -oE '^ *begin "[^"]*"' tests/cli/*.sh | sed 's|^tests/cli/\([^:]*\): *begin "\(.*\)"|case\t\1\t\2|'
}
facts >"$tmp/facts"

check() {
    last_command="awk -f tests/methods.awk FACTS $1"
    awk -f tests/methods.awk "$tmp/facts" "$1" >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
}

begin "the page names what there is"
if wanted; then
    check docs/methods.md
    sed 's/^/    /' "$tmp/stdout"
    [ ! -s "$tmp/stdout" ] || bad "docs/methods.md is wrong"
    gives 0
fi

begin "a page of mistakes: each is found"
cat >"$tmp/mistakes.md" <<'PAGE'
| AB1 | 1 | a true row | `noise.family = vp`, `sub-vp`; `pyrdiff sample --sampler ula --seeds 0-3` | `test_toy.c: gradients_of_losses`, `toy.sh: mode weights` | [toy](toy.png), [table](toy.md#what-networks-learn) |
| AB2 | 1 | settings | `noise.famly = vp`, `noise.schedule = round`, `geometric`, `crooked` | `toy.sh` | |
| AB3 | 1 | numbers | `sampler.steps = 0`, `cascade.weights = [1,2]`, `levels[0].ema = 2` | `toy.sh` | |
| AB4 | 1 | commands | `pyrdiff simple`; `pyrdiff sample --sampler ulla --stepps 3 --set level.lr=x` | `toy.sh` | |
| AB6 | 1 | the number | `pyrdiff toy` | `toy.sh: no such case`, `test_toy.c: no_case`, `test_none.c: x` | [none](none.png), [table](toy.md#none) |
| AB6 | | empty | `scripts/none`, `word` | | |
| AB7 | 1 | gone | not here | | |
## Not here
| AB1 | because |
PAGE
if wanted; then
    check "$tmp/mistakes.md"
    # shellcheck disable=SC2016
    for mistake in "AB2: there is no setting level.noise.famly" "AB2: level.noise.schedule is one of: geometric" \
        'AB2: `crooked` is nothing' "AB3: level.sampler.steps is" "AB3: level.ema is" "AB4: there is no command simple" \
        "AB4: pyrdiff sample --sampler takes" "AB4: pyrdiff sample has no option --stepps" "AB4: level.lr is" \
        "AB6: is row 5 of" "AB6: toy.sh has no case" "AB6: test_toy.c has no case no_case" "AB6: there is no test test_none.c" \
        "AB6: there is no docs/none.png" "AB6: docs/toy.md has no heading for #none" "AB6: where, method, here" \
        "AB6: there is no scripts/none" 'AB6: `word` is nothing' "AB1 is here" "AB7 is not here, and no reason"; do
        says "$mistake"
    done
    holds test "$(wc -l <"$tmp/stdout")" -eq 20
fi

finish
