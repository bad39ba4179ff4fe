#!/usr/bin/env python3
"""What a folder of compiler/ includes is what its CMakeLists.txt says it USES, and no two folders
use each other.

check_includes.py COMPILER     prints every difference; exit 1 if there is one"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([a-z_]+)/')


def declared(folder):
    """The folders after USES."""
    text = re.sub(r"#.*", "", (folder / "CMakeLists.txt").read_text())
    found = re.search(r"alephc_component\(\w+[^)]*?\bUSES\b([^)]*?)(?:\bLIBS\b|\))", text)
    return set(found[1].split()) - {folder.name} if found else set()


def included(folder):
    """Folder → where it is included first."""
    places: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".hpp", ".cpp", ".in"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match[1] != folder.name:
                places.setdefault(match[1], f"{path}:{number}")
    return places


def circle(uses):
    """A folder that comes to itself, and the way; or nothing."""
    done = set()

    def visit(name, way):
        if name in way:
            return way[way.index(name) :] + [name]
        if name in done:
            return None
        for other in sorted(uses.get(name, ())):
            found = visit(other, way + [name])
            if found:
                return found
        done.add(name)
        return None

    for name in sorted(uses):
        found = visit(name, [])
        if found:
            return found
    return None


def main():
    root = pathlib.Path(sys.argv[1])
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    problems = []
    uses = {}
    for folder in folders:
        says, does = declared(folder), included(folder)
        uses[folder.name] = says
        for name in sorted(does.keys() - says):
            problems.append(
                f"{does[name]}: includes '{name}', which compiler/{folder.name} does not USE"
            )
        for name in sorted(says - does.keys()):
            problems.append(f"{folder}/CMakeLists.txt: USES {name} and includes nothing of it")
    way = circle(uses)
    if way:
        problems.append("folders use each other: " + " → ".join(way))
    for problem in problems:
        print(problem)
    print(f"{len(folders)} folders, {len(problems)} problems")
    return 1 if problems or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
