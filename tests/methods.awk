# methods.awk - what is wrong with docs/methods.md, a line for each mistake. Usage:
#
#     awk -f tests/methods.awk FACTS PAGE            from the project's root
#
# FACTS says what the program has (tests/cli/methods.sh writes it), fields separated by tabs:
#
#     setting KEY VALUES            as in the table of settings: "one of: ve, vp", "a number 0..10"
#     option COMMAND OPTION WORDS   WORDS are those it may be, separated by commas, or nothing
#     case FILE NAME                a case of a test
#
# In a row of the page everything in backticks is a setting (key = value), a command, a file of scripts/ or configs/, a
# case of a test, a setting's name, or one more word for the setting or option before it.
BEGIN { FS = "\t" }

FNR == NR && $1 == "setting" { values[$2] = $3 }
FNR == NR && $1 == "option" { commands[$2] = 1; options[$2, $3] = 1; words[$2, $3] = $4 }
FNR == NR && $1 == "case" { tests[$2] = 1; cases[$2, $3] = 1; names[$2] = names[$2] "\n" $3 }
FNR == NR { next }

function wrong(text) { print row (row == "" ? "" : ": ") text }

function is_file(path, line, found) {
    found = (getline line < path) >= 0
    close(path)
    return found
}

function among(word, list, parts, n, i) {
    n = split(list, parts, /, */)
    for (i = 1; i <= n; i++)
        if (parts[i] == word)
            return 1
    return 0
}

# ---- settings ----

function full_key(key) {
    sub(/^levels\[[0-9]+\]\./, "", key)
    return key in values ? key : "level." key
}

function inside(value, kind, ends, n) {
    n = split(kind, ends, " ")
    split(ends[n], ends, /\.\./)
    return value ~ /^[-+.0-9e]+$/ && value + 0 >= ends[1] + 0 && value + 0 <= ends[2] + 0
}

function is_value(value, kind, parts, n, i) {
    if (kind == "true or false")
        return value == "true" || value == "false"
    if (kind ~ /^one of: /)
        return among(value, substr(kind, 9))
    if (kind ~ /^a (text|duration)/)
        return 1
    gsub(/[][]/, "", value)
    n = split(value, parts, ",")
    for (i = 1; i <= n; i++)
        if (kind ~ /^a list of: / ? !among(parts[i], substr(kind, 12)) : !inside(parts[i], kind))
            return 0
    return 1
}

function setting(key, value) {
    last = key = full_key(key)
    if (!(key in values))
        return wrong("there is no setting " key)
    if (!is_value(value, values[key]))
        wrong(key " is " values[key] ", not " value)
}

# ---- commands ----

function argument(command, option, word, parts, n, i) {
    if (option == "--set")
        return setting(substr(word, 1, index(word, "=") - 1), substr(word, index(word, "=") + 1))
    last = command SUBSEP option
    n = split(words[command, option] == "" ? "" : word, parts, ",")
    for (i = 1; i <= n; i++)
        if (!among(parts[i], words[command, option]))
            wrong("pyrdiff " command " " option " takes " words[command, option] ", not " parts[i])
}

function command_line(text, at, n, i) {
    n = split(text, at, " ")
    last = ""
    if (n < 2 || !(at[2] in commands))
        return wrong("there is no command " at[2])
    for (i = 3; i <= n; i++)
        if (at[i] ~ /^--/ && !((at[2], at[i]) in options))
            wrong("pyrdiff " at[2] " has no option " at[i])
        else if (at[i - 1] ~ /^--/ && at[i] !~ /^--/)
            argument(at[2], at[i - 1], at[i])
}

function one_more(word) {
    if (full_key(word) in values)
        return
    if (last in values ? !is_value(word, values[last]) : !(last in words) || !among(word, words[last]))
        wrong("`" word "` is nothing that is known")
}

# ---- tests, files ----

function test_case(text, file, name, parts, n, i) {
    file = text
    sub(/:.*/, "", file)
    name = substr(text, length(file) + 3)
    if (!(file in tests))
        return wrong("there is no test " file)
    if (name == "" || (file, name) in cases)
        return
    n = split(names[file], parts, "\n")
    for (i = 1; file ~ /\.sh$/ && i <= n; i++)
        if (index(parts[i], name) == 1)
            return
    wrong(file " has no case " name)
}

function heading(line) {
    sub(/^#+ /, "", line)
    line = tolower(line)
    gsub(/[^a-z0-9 _-]/, "", line)
    gsub(/ /, "-", line)
    return line
}

function has_heading(path, wanted, line, found) {
    while ((getline line < path) > 0)
        if (line ~ /^#/ && heading(line) == wanted)
            found = 1
    close(path)
    return found
}

function linked(target, page, anchor) {
    if (target ~ /^https?:/)
        return
    anchor = index(target, "#") ? substr(target, index(target, "#") + 1) : ""
    sub(/#.*/, "", target)
    page = target == "" ? FILENAME : "docs/" target
    if (!is_file(page))
        wrong("there is no " page)
    else if (anchor != "" && !has_heading(page, anchor))
        wrong(page " has no heading for #" anchor)
}

function links(line) {
    while (match(line, /\]\([^)]*\)/)) {
        linked(substr(line, RSTART + 2, RLENGTH - 3))
        line = substr(line, RSTART + RLENGTH)
    }
}

# ---- rows ----

function quoted(text) {
    if (text ~ /^pyrdiff /)
        command_line(text)
    else if (text ~ /^[a-z0-9_.\[\]]+ = /)
        setting(substr(text, 1, index(text, " = ") - 1), substr(text, index(text, " = ") + 3))
    else if (text ~ /^(scripts|configs)\//)
        is_file(text) ? 0 : wrong("there is no " text)
    else if (text ~ /^[a-z0-9_-]+\.(c|sh)(: |$)/)
        test_case(text)
    else
        one_more(text)
}

function cell(text, parts, n, i) {
    last = ""
    n = split(text, parts, "`")
    for (i = 2; i <= n; i += 2)
        quoted(parts[i])
}

function not_here(ids, reason, parts, n, i) {
    n = split(ids, parts, /, */)
    for (i = 1; i <= n; i++) {
        if (!(parts[i] in missing))
            wrong(parts[i] " is here")
        delete missing[parts[i]]
    }
    if (reason == "")
        wrong("no reason for " ids)
}

{ row = "" }

/^## Not here/ { reasons = 1 }

reasons && /^\| [A-Z][A-Z][0-9]/ {
    split($0, part, / *\| */)
    row = "Not here"
    not_here(part[2], part[3])
    cell(part[3])
}

!reasons && /^\| [A-Z][A-Z][0-9]+ / {
    n = split($0, part, / *\| */)
    row = part[2]
    paper = substr(row, 1, 2)
    if (substr(row, 3) + 0 != ++rows[paper])
        wrong("is row " rows[paper] " of its paper")
    if (n != 8)
        wrong("has " n - 2 " cells, should have 6")
    if (part[5] ~ /^not here$/)
        missing[row] = 1
    else if (part[3] == "" || part[4] == "" || part[5] == "" || part[6] == "")
        wrong("where, method, here and tested by must not be empty")
    for (i = 3; i <= 7; i++)
        cell(part[i])
}

{ links($0) }

END {
    row = ""
    for (id in missing)
        wrong(id " is not here, and no reason is given")
    for (paper in rows)
        total += rows[paper]
    if (!total)
        wrong("no rows")
}
