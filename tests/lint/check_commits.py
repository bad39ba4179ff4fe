#!/usr/bin/env python3
"""Are the last commits written as CONTRIBUTING.md says?

check_commits.py PROJECT [COUNT]     exits 77 without a git history"""

import subprocess
import sys

LONGEST_SUBJECT = 72


def faults_of(message):
    subject, _, rest = message.strip().partition("\n")
    if len(subject) > LONGEST_SUBJECT:
        yield f"the subject has {len(subject)} characters, more than {LONGEST_SUBJECT}"
    if subject.endswith("."):
        yield "the subject ends with a period"
    if not subject[:1].isupper():
        yield "the subject begins with a small letter"
    if not rest.startswith("\n") or not rest.strip():
        yield "it lacks a body, behind an empty line: why, and how it was tested"


def main():
    project, count = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "40"
    argv = ["git", "-C", project, "log", "--no-merges", "-z", f"-{count}", "--format=%h %B"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print("skipped: no history of commits")
        return 77
    problems = []
    for commit in filter(None, done.stdout.split("\0")):
        name, _, message = commit.partition(" ")
        problems += [f"{name}: {fault}" for fault in faults_of(message)]
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
