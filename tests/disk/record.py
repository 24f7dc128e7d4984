"""record.py - what a command does to the files below a folder, from outside: strace's account as a list of operations.

An operation is a tuple that begins with its kind. Files and folders are numbers (inodes), 0 is the folder itself:
    ("write", inode, offset, bytes)         ("size", inode, n)            of a file's data
    ("link", folder, name, inode, kind)     kind: "file" or "folder"; made by open or mkdir
    ("rename", folder, name, new name, inode)    within one folder        of a folder's entries
    ("unlink", folder, name)
    ("sync", inode)                         fsync of a file or of a folder
Whatever else changes a file below the folder (a mapping, a link, a rename across folders) is an error here, so that nothing
is left out unseen.
"""

import os
import re
import subprocess

CALLS = (
    "open,openat,creat,close,read,readv,write,writev,pwrite64,pwritev,lseek,ftruncate,truncate,fsync,fdatasync,sync,syncfs,"
    "sync_file_range,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,mknod,"
    "mknodat,fallocate,copy_file_range,sendfile,splice,dup,dup2,dup3,fcntl,mmap"
)
STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
LINE = re.compile(rb"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$", re.S)
RESULT = re.compile(rb"\) += (-?\d+)(?:<((?:\\x[0-9a-f]{2})*)[^>]*>)?[^=]*$")
FD = re.compile(rb"^(\d+)<((?:\\x[0-9a-f]{2})*)[^>]*>")


def unhex(text):
    return bytes.fromhex(text.replace(b"\\x", b"").decode())


class Recorder:
    """Turns system calls into operations; knows the tree as the program sees it."""

    def __init__(self, folder):
        self.folder = os.path.realpath(folder).encode()
        self.operations = []
        self.inode = {self.folder: 0}  # by path
        self.size = {}  # of files, by inode
        self.open = {}  # descriptor: [inode, offset, appends]
        self.next_inode = 1

    def take_in(self, tree):
        """What is there before: {path: bytes, or None for a folder}, parents first."""
        for path in sorted(tree):
            self.new(os.path.join(self.folder, path.encode()), tree[path] is None)
            if tree[path]:
                self.write(self.inode[os.path.join(self.folder, path.encode())], 0, tree[path])

    def inside(self, path):
        return path == self.folder or path.startswith(self.folder + b"/")

    def new(self, path, is_folder):
        folder, name = os.path.split(path)
        inode, self.next_inode = self.next_inode, self.next_inode + 1
        self.inode[path] = inode
        if not is_folder:
            self.size[inode] = 0
        kind = "folder" if is_folder else "file"
        self.operations.append(("link", self.inode[folder], name.decode(), inode, kind))
        return inode

    def resize(self, inode, n):
        if self.size[inode] != n:
            self.operations.append(("size", inode, n))
            self.size[inode] = n

    def write(self, inode, at, data):
        self.operations.append(("write", inode, at, data))
        self.size[inode] = max(self.size[inode], at + len(data))

    def opened(self, path, flags, fd):
        made = b"O_CREAT" in flags and path not in self.inode
        inode = self.new(path, False) if made else self.inode[path]
        if b"O_TRUNC" in flags and not made:
            self.resize(inode, 0)
        self.open[fd] = [inode, 0, b"O_APPEND" in flags]

    def written(self, fd, data):
        file = self.open[fd]
        at = self.size[file[0]] if file[2] else file[1]
        self.write(file[0], at, data)
        file[1] = at + len(data)

    def renamed(self, old, new):
        if os.path.dirname(old) != os.path.dirname(new) or old not in self.inode or self.inode[old] not in self.size:
            raise ValueError("a rename that this model does not know: %r to %r" % (old, new))
        folder = self.inode[os.path.dirname(old)]
        inode = self.inode[new] = self.inode.pop(old)
        self.operations.append(
            ("rename", folder, os.path.basename(old).decode(), os.path.basename(new).decode(), inode)
        )

    def unlinked(self, path):
        del self.inode[path]
        self.operations.append(("unlink", self.inode[os.path.dirname(path)], os.path.basename(path).decode()))

    def call(self, name, text):
        """One finished call: `text` is all behind the opening bracket."""
        result = RESULT.search(text)
        if not result or int(result.group(1)) < 0:
            return  # failed, or the process ended in it
        value = int(result.group(1))
        args = text[: result.start()]
        strings = [unhex(s) for s in STRING.findall(args)]
        of_fd = FD.match(args)
        fd = int(of_fd.group(1)) if of_fd else -1
        if name in (b"open", b"openat", b"creat"):
            path = os.path.normpath(os.path.join(os.path.dirname(self.folder), unhex(result.group(2) or b"")))
            if self.inside(path):
                self.opened(path, args, value)
            return
        if name == b"close":
            self.open.pop(fd, None)
        elif fd >= 0 and fd in self.open:
            self.of_descriptor(name, fd, args, strings, value)
        elif name == b"mmap":
            target = re.search(rb", (\d+)<", args)
            if target and int(target.group(1)) in self.open and b"PROT_WRITE" in args and b"MAP_SHARED" in args:
                raise ValueError("a file is written through a mapping")
        elif strings and fd < 0:
            self.of_names(name, args, strings)

    def of_descriptor(self, name, fd, args, strings, value):
        file = self.open[fd]
        if name == b"write":
            self.written(fd, strings[0][:value])
        elif name == b"writev":
            self.written(fd, b"".join(strings)[:value])
        elif name == b"pwrite64":
            self.write(file[0], int(args.rsplit(b", ", 1)[1]), strings[0][:value])
        elif name == b"lseek":
            file[1] = value
        elif name in (b"read", b"readv"):
            file[1] += value
        elif name == b"ftruncate":
            self.resize(file[0], int(args.rsplit(b", ", 1)[1]))
        elif name in (b"fsync", b"fdatasync"):
            self.operations.append(("sync", file[0]))
        elif name.startswith(b"dup") or (name == b"fcntl" and b"F_DUPFD" in args):
            self.open[value] = file  # with one offset
        elif name not in (b"mmap", b"fcntl"):
            raise ValueError("a call that this model does not know: %s(%s" % (name.decode(), args[:80]))

    def of_names(self, name, args, strings):
        at = re.search(rb"\d*<((?:\\x[0-9a-f]{2})*)>", args)
        base = unhex(at.group(1)) if at else os.getcwdb()
        paths = [os.path.normpath(os.path.join(base, s)) for s in strings]
        if not any(self.inside(path) for path in paths):
            return
        if name in (b"rename", b"renameat", b"renameat2"):
            self.renamed(*paths)
        elif name in (b"unlink", b"unlinkat") and b"AT_REMOVEDIR" not in args:
            self.unlinked(paths[0])
        elif name in (b"mkdir", b"mkdirat"):
            self.new(paths[0], True)
        else:
            raise ValueError("a call that this model does not know: %s(%r" % (name.decode(), paths))


def joined(operations, base):
    """Writes in a row, each where the one before it ended, as one."""
    out = operations[:base]
    for o in operations[base:]:
        last = out[-1] if len(out) > base else ("",)
        if o[0] == "write" and last[0] == "write" and o[1] == last[1] and o[2] == last[2] + len(last[3]):
            out[-1] = ("write", o[1], last[2], last[3] + o[3])
        else:
            out.append(o)
    return out


def record(command, folder, cwd, env, before=None):
    """Run a command; give its operations on what is below `folder`, and how many of them only made `before`."""
    recorder = Recorder(folder)
    recorder.take_in(before or {})
    base = len(recorder.operations)
    account = os.path.join(cwd, "strace.txt")
    done = subprocess.run(
        ["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", "trace=" + CALLS, "-e", "signal=none", "-o", account] + command,
        cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    if done.returncode:
        raise RuntimeError("%s ended with status %d: %s" % (command, done.returncode, done.stderr.decode()[-400:]))
    os_cwd = os.getcwd()
    os.chdir(cwd)  # what names of calls without a folder's descriptor are relative to
    begun = {}
    with open(account, "rb") as lines:
        for line in lines:
            part = LINE.match(line.rstrip(b"\n"))
            if not part:
                continue
            pid, resumed, name, text = part.groups()
            if resumed:
                name, text = resumed, begun.pop(pid, b"") + text
            if text.endswith(b"<unfinished ...>"):
                begun[pid] = text[: -len(b"<unfinished ...>")]
                continue
            recorder.call(name, text)
    os.chdir(os_cwd)
    os.unlink(account)
    return recorder.operations, base
