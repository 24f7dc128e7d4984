#!/bin/sh
# What is made of the commands' tables: the list of commands, manual pages, completions of bash and zsh.
. tests/cli/lib.sh

commands=$("$program" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')

begin "every file of a command is in the list"
for file in cli/cmd_*.c cli/*/cmd_*.c; do
    name=$(basename "$file" .c)
    pyr "${name#cmd_}" --help
    gives 0
    says "usage: pyrdiff ${name#cmd_} "
    holds grep -q -x "${name#cmd_}" - <<EOF
$commands
EOF
done

begin "every command is in the table of README.md"
for name in $commands; do
    holds grep -q "^| .*\`\(pyrdiff \)*$name\`.* |" README.md
done

begin "every command is fuzzed"
for name in $commands; do
    holds grep -q -F "{\"$name\", " tests/fuzz/fuzz_options.c
done

begin "manual pages"
mkdir -p "$tmp/man/man1"
pyr --man
gives 0
cp "$tmp/stdout" "$tmp/man/man1/pyrdiff.1"
for name in $commands; do
    says ".It Xr pyrdiff-$name 1"
done
for name in $commands; do
    pyr --man "$name"
    gives 0
    cp "$tmp/stdout" "$tmp/man/man1/pyrdiff-$name.1"
    pyr "$name" --help
    options=$(sed -n 's/^  --\(\[no-\]\)*\([a-z-]*\).*/\2/p' "$tmp/stdout")
    for option in $options; do
        holds grep -q -F -e ".It Fl \\-$option" "$tmp/man/man1/pyrdiff-$name.1"
    done
done
pyr --man trian
refuses 2 "did you mean train?"

begin "manual pages are well made"
if command -v mandoc >/dev/null 2>&1; then
    (cd "$tmp/man/man1" && mandoc -T lint ./*.1) >"$tmp/stdout" 2>&1
    holds test ! -s "$tmp/stdout"
    wanted && sed 's/^/    /' "$tmp/stdout"
else
    skip "mandoc is not installed"
fi

begin "manual pages are shown"
if command -v man >/dev/null 2>&1 && command -v groff >/dev/null 2>&1; then
    for page in pyrdiff pyrdiff-train pyrdiff-inpaint; do
        MANWIDTH=200 man -l "$tmp/man/man1/$page.1" 2>"$tmp/stderr" | cat >"$tmp/stdout"
        holds test ! -s "$tmp/stderr"
        says "DESCRIPTION"
    done
    says "pyrdiff inpaint [options] IMAGE MASK"
    says "--repeats N"
else
    skip "man and groff are not installed"
fi

begin "words of --completions"
for word in fish ""; do
    pyr --completions $word
    refuses 2 "pyrdiff --completions bash"
done

# LINE, typed with tabs, as the shell runs it: the words in brackets.
folder="$tmp/typed in"
mkdir -p "$folder/runs a/b"
: >"$folder/a b.cfg"
becomes() {
    wanted || return 0
    last_command=$1
    made=$($shell "$folder" "$1" $how <"$tmp/setup")
    [ "$made" = "$2" ] || bad "it is $made, should be $2"
}
typed() {
    becomes 'pyrdiff tr\t' '[train]'
    becomes 'pyrdiff train --tran\t' '[train][--transfer]'
    becomes 'pyrdiff train --le\t' '[train][--level]' # or --levels
    becomes 'pyrdiff sample --no-g\t' '[sample][--no-grid]'
    becomes 'pyrdiff train --backend ref-\t' '[train][--backend][ref-double]'
    becomes 'pyrdiff train --backend=cp\t' '[train][--backend=cpu]'
    becomes 'pyrdiff train --filter ha\t' '[train][--filter][haar]'
    becomes 'pyrdiff train --config a\t' '[train][--config][a b.cfg]'
    becomes 'pyrdiff train --lr a\t' '[train][--lr][a]'
    becomes 'pyrdiff vary a\t' '[vary][a b.cfg]'
    becomes 'pyrdiff train --set train.see\t' '[train][--set][train.seed=]'
    becomes 'pyrdiff --comp\t' '[--completions]'
    becomes 'pyrdiff --man rep\t' '[--man][report]'
}
find_python pty select

begin "bash"
if [ "$python" != none ] && bash -c '[ "${BASH_VERSINFO[0]}" -ge 4 ]' 2>/dev/null; then
    "$program" --completions bash >"$tmp/pyrdiff.bash"
    holds bash -n "$tmp/pyrdiff.bash"
    echo ". '$tmp/pyrdiff.bash'" >"$tmp/setup"
    shell="$python tests/cli/type-keys.py" how="bash --norc --noprofile -i"
    typed
    becomes 'pyrdiff sample --network ru\t' '[sample][--network][runs a/]'
else
    skip "Python or bash is not installed"
fi

begin "zsh"
if [ "$python" != none ] && command -v zsh >/dev/null 2>&1; then
    mkdir -p "$tmp/fpath"
    "$program" --completions zsh >"$tmp/fpath/_pyrdiff"
    holds zsh -n "$tmp/fpath/_pyrdiff"
    echo "fpath=('$tmp/fpath' \$fpath); autoload -U compinit; compinit -u -d '$tmp/zcompdump'" >"$tmp/setup"
    shell="$python tests/cli/type-keys.py" how="zsh -f -i"
    typed
    becomes 'pyrdiff sample --network ru\t' '[sample][--network][runs a]'
else
    skip "Python or zsh is not installed"
fi

finish
