#!/usr/bin/env python3
"""What a folder of compiler/ includes is what its CMakeLists.txt says it USES, and no two folders
use each other. A file includes the standard headers of what it names, itself or through the
project's own headers: which ones another header brings along differs from library to library.

check_includes.py COMPILER     prints every difference; exit 1 if there is one"""
import functools
import pathlib
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([a-z_]+)/')
ANY_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)

# Header → the names of it that count.
STANDARD = {
    "algorithm": r"std::(sort|stable_sort|any_of|all_of|none_of|find_if|lower_bound|copy|min|max|clamp"
    r"|reverse|equal|count|count_if|transform|fill|remove_if)",
    "array": r"std::array",
    "atomic": r"std::atomic",
    "cerrno": r"errno",
    "chrono": r"std::chrono",
    "condition_variable": r"std::condition_variable",
    "cstdint": r"std::u?int(8|16|32|64)_t|UINT(8|16|32|64)_MAX|SIZE_MAX",
    "cstdio": r"std::(printf|fprintf|snprintf|fputs|fwrite|fflush|FILE)",
    "cstdlib": r"std::(getenv|malloc|calloc|free|exit|abort)",
    "cstring": r"std::(memcpy|memcmp|memset|strlen|strcmp)",
    "deque": r"std::deque",
    "exception": r"std::(exception_ptr|current_exception|rethrow_exception)",
    "filesystem": r"std::filesystem",
    "fstream": r"std::[io]fstream",
    "functional": r"std::function",
    "initializer_list": r"std::initializer_list",
    "iterator": r"std::(back_inserter|make_move_iterator|next|prev|distance)",
    "limits": r"std::numeric_limits",
    "map": r"std::map",
    "memory": r"std::(unique_ptr|shared_ptr|make_unique|make_shared)",
    "mutex": r"std::(mutex|lock_guard|unique_lock|once_flag|call_once)",
    "numeric": r"std::(accumulate|iota)",
    "optional": r"std::optional",
    "regex": r"std::regex",
    "set": r"std::set",
    "span": r"std::span",
    "stdexcept": r"std::runtime_error",
    "string": r"std::string",
    "string_view": r"std::string_view",
    "thread": r"std::(thread|jthread|this_thread)",
    "tuple": r"std::(tuple|tie)",
    "type_traits": r"std::(is_same_v|decay_t|is_integral_v)",
    "unordered_map": r"std::unordered_map",
    "utility": r"std::(pair|exchange|swap)",
    "variant": r"std::(variant|visit|get_if|holds_alternative)",
    "vector": r"std::vector",
}
NAMES = {header: re.compile(rf"\b({names})\b") for header, names in STANDARD.items()}


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


@functools.cache
def standard_headers(root, path):
    """What path includes of the standard library, itself or through headers of the project."""
    headers = set()
    for kind, name in ANY_INCLUDE.findall(path.read_text()):
        if kind == "<":
            headers.add(name)
        elif (root / name).exists():
            headers |= standard_headers(root, root / name)
    return headers


def lacking(root, path):
    """The standard headers that path lacks."""
    code = re.sub(r"//.*", "", path.read_text())
    have = standard_headers(root, path)
    return [header for header, names in NAMES.items() if header not in have and names.search(code)]


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
    for path in sorted(root.rglob("*.[ch]pp")):
        problems += [f"{path}: does not include <{header}>" for header in lacking(root, path)]
    for problem in problems:
        print(problem)
    print(f"{len(folders)} folders, {len(problems)} problems")
    return 1 if problems or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
