"""Type a line with tabs into an interactive shell, and print the words that the command then got.

    python3 tests/cli/type-keys.py FOLDER LINE SHELL [ARGUMENT ...] <SETUP

The shell runs in FOLDER; SETUP is read first. pyrdiff is a function that prints its arguments, a line each.
"""
import os
import pty
import re
import select
import sys

folder, line, command = sys.argv[1], sys.argv[2].encode().decode("unicode_escape"), sys.argv[3:]
setup = sys.stdin.read().strip().replace("\n", "; ")
child, terminal = pty.fork()
if child == 0:
    os.chdir(folder)
    os.environ.update(TERM="dumb", PS1="$ ", HISTFILE="", INPUTRC="/dev/null", LC_ALL="C")
    os.execvp(command[0], command)
typed = [setup + "; pyrdiff() { printf 'begin'; printf '[%s]' \"$@\"; echo '#d''one#'; }; echo rea''dy\n", line + "\n", "exit\n"]
seen = b""
for keys, awaited in zip(typed, [b"ready", b"begin[^\n']*#done#", None]):
    os.write(terminal, keys.encode())
    while awaited and not re.search(awaited, seen):
        if not select.select([terminal], [], [], 60)[0]:
            break
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
found = re.search(b"begin([^\n']*)#done#", seen)
print(found.group(1).decode() if found else "nothing in: " + repr(seen))
os.close(terminal)
