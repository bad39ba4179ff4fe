#!/usr/bin/env python3
"""Compares two trees file by file: type, content, mode, owner, link target, device, capabilities.

compare.py ALEPHC REFERENCE [REFERENCE2] [--exceptions FILE]

Paths in which the two references differ from each other are noise. Every other difference must
match a line of the exceptions file: "KIND GLOB  # reason", KIND being missing (only in the
reference), extra, or differs. A "sorted" exception still demands the same lines. Exits 1 when
anything else differs, or when an exception of the list was never needed.
"""
import argparse
import fnmatch
import hashlib
import os
import stat
import sys


def describe(root, path):
    full = os.path.join(root, path)
    info = os.lstat(full)
    kind = stat.S_IFMT(info.st_mode)
    out = {"type": kind, "owner": (info.st_uid, info.st_gid)}
    if kind != stat.S_IFLNK:
        out["mode"] = stat.S_IMODE(info.st_mode)
    if kind == stat.S_IFREG:
        with open(full, "rb") as file:
            out["content"] = hashlib.sha256(file.read()).hexdigest()
    elif kind == stat.S_IFLNK:
        out["target"] = os.readlink(full)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        out["device"] = info.st_rdev
    try:
        out["capability"] = os.getxattr(full, "security.capability", follow_symlinks=False)
    except OSError:
        pass
    return out


def walk(root):
    tree = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.relpath(os.path.join(folder, name), root)
            tree[path] = describe(root, path)
    return tree


def lines_of(root, path):
    with open(os.path.join(root, path), "rb") as file:
        return sorted(line for line in file.read().split(b"\n") if line)


def same_lines(ours, theirs, path):
    return lines_of(ours, path) == lines_of(theirs, path)


def read_exceptions(name):
    rows = []
    with open(name) as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                rows.append((words[0], words[1]))
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ours")
    parser.add_argument("reference")
    parser.add_argument("second", nargs="?")
    parser.add_argument("--exceptions")
    args = parser.parse_args()
    ours, reference = walk(args.ours), walk(args.reference)
    second = walk(args.second) if args.second else reference
    noise = {
        path for path in reference.keys() | second.keys() if reference.get(path) != second.get(path)
    }
    exceptions = read_exceptions(args.exceptions) if args.exceptions else []
    used, bad, excused = set(), 0, 0
    for path in sorted(ours.keys() | reference.keys()):
        if path in noise or ours.get(path) == reference.get(path):
            continue
        kind = "missing" if path not in ours else "extra" if path not in reference else "differs"
        match = None
        for row in exceptions:
            if fnmatch.fnmatchcase(path, row[1]) and (
                row[0] == kind
                or (
                    row[0] == "sorted"
                    and kind == "differs"
                    and same_lines(args.ours, args.reference, path)
                )
            ):
                match = row
        if match:
            used.add(match)
            excused += 1
            continue
        bad += 1
        if bad <= 60:
            detail = ""
            if kind == "differs":
                detail = ", ".join(
                    f"{key}: {ours[path].get(key)!r} against {reference[path].get(key)!r}"
                    for key in sorted(ours[path].keys() | reference[path].keys())
                    if ours[path].get(key) != reference[path].get(key)
                )
            print(f"{kind} {path} {detail}")
    print(f"{len(ours)} paths compared, {len(noise)} noise, {excused} excused, {bad} unexplained")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
