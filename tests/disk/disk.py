"""disk.py - the trees that a power cut may leave behind, of what record.py gives.

What a program has done is lasting once it has been synced: data by an fsync of the file, entries (link, rename, unlink)
by an fsync of their folder. Everything else is pending, and of the pending operations a cut may keep any, in their order
(Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): an unlink may be lasting while a rename before it is
not, a rename while the data that it names are missing, cut short or zeros. Folders and files are inodes, so that an entry
may be lasting below a folder whose own entry is not.
"""

import random

DATA = ("write", "size")
WHOLE, CUT, ZEROS = "whole", "cut short", "zeros"


def home(operation):
    """The inode whose fsync makes it lasting; of a write the file, of an entry its folder."""
    return operation[1]


def say(operation):
    """For people: an operation in a line."""
    if operation[0] == "write":
        return "write %d bytes at %d of inode %d" % (len(operation[3]), operation[2], operation[1])
    return " ".join(str(part) for part in operation)


def pending(operations, n, base):
    """The indices of those of the first n operations that no sync has made lasting; those before `base` are."""
    left, synced = [], set()
    for i in range(n - 1, base - 1, -1):  # a sync counts for what is before it
        if operations[i][0] == "sync":
            synced.add(operations[i][1])
        elif home(operations[i]) not in synced:
            left.append(i)
    return left[::-1]


def cuts(operations, n, base, seed, subsets):
    """Yield (label, {index: how}) of what a cut after n operations may keep of the pending ones."""
    left = pending(operations, n, base)
    everything = {i: WHOLE for i in left}
    yield "nothing", {}
    yield "all", everything
    for i in left:
        yield "without %d" % i, {j: how for j, how in everything.items() if j != i}
        yield "only %d" % i, {i: WHOLE}
        if operations[i][0] == "write":
            yield "cut short %d" % i, everything | {i: CUT}
            yield "zeros %d" % i, everything | {i: ZEROS}
    draw = random.Random("%d %d" % (seed, n))
    for k in range(subsets if len(left) > 2 else 0):
        kept = {i: draw.choice((WHOLE, WHOLE, WHOLE, CUT, ZEROS)) for i in left if draw.random() < 0.5}
        yield "random %d" % k, kept


class Tree:
    """What is on the disk after some of the operations: of each path how its content came about."""

    def __init__(self, operations, chosen):
        """`chosen`: pairs of an index and how, in order."""
        folders, data, kinds = {0: {}}, {}, {0: "folder"}
        self.operations = operations
        for i, how in chosen:
            o = operations[i]
            if o[0] in DATA:
                data.setdefault(o[1], []).append((i, how))
            elif o[0] == "link":
                folders.setdefault(o[1], {})[o[2]] = o[3]
            elif o[0] == "unlink":
                folders.setdefault(o[1], {}).pop(o[2], None)
            elif o[0] == "rename":
                entries = folders.setdefault(o[1], {})
                if entries.get(o[2]) == o[4]:
                    del entries[o[2]]
                entries[o[3]] = o[4]
        for o in operations:
            if o[0] == "link":
                kinds[o[3]] = o[4]
        self.paths = {}  # None: a folder; else the writes that made the file
        self.walk(folders, data, kinds, 0, "")

    def walk(self, folders, data, kinds, inode, path):
        for name, child in sorted(folders.get(inode, {}).items()):
            below = path + name
            if kinds[child] == "folder":
                self.paths[below] = None
                self.walk(folders, data, kinds, child, below + "/")
            else:
                self.paths[below] = tuple(data.get(child, ()))

    def content(self, path):
        """The bytes of a file."""
        out = bytearray()
        for i, how in self.paths[path]:
            o = self.operations[i]
            if o[0] == "size":
                del out[o[2] :]
                out.extend(bytes(o[2] - len(out)))
                continue
            part = {WHOLE: o[3], CUT: o[3][: len(o[3]) // 2], ZEROS: bytes(len(o[3]))}[how]
            out.extend(bytes(max(0, o[2] - len(out))))  # a hole
            out[o[2] : o[2] + len(part)] = part
        return bytes(out)

    def key(self, blind):
        """Two trees with one key are the same, whatever is in the files whose path `blind`, a regular expression, finds."""
        return tuple((path, () if blind and blind.search(path) else how) for path, how in sorted(self.paths.items()))


def after(operations, n, base, kept):
    """The tree of a cut after n operations that keeps `kept` of the pending ones."""
    left = set(pending(operations, n, base))
    chosen = [(i, kept.get(i, WHOLE)) for i in range(n) if i not in left or i in kept]
    return Tree(operations, [(i, how) for i, how in chosen if operations[i][0] != "sync"])
