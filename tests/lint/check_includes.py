#!/usr/bin/env python3
"""A folder of compiler/ may include only folders above it in this list (and itself)."""
import pathlib, re, sys

RANKS = [["base", "init", "boot", "vary", "room"], ["tree", "guest", "message"], ["store", "manifest", "sandbox", "decode"], ["fetch", "lock", "image"], ["project", "python", "npm"], ["distro", "bundle"], ["compare", "steps"],
         ["resolve", "graph"], ["receipt", "vm"], ["attest"], ["pipeline"], ["network", "sbom"], ["verify"], ["cli"]]
rank = {name: number for number, names in enumerate(RANKS) for name in names}
root = pathlib.Path(sys.argv[1])
bad = 0
files = sorted(path for path in root.rglob("*") if path.suffix in (".hpp", ".cpp"))
for path in files:
    home = path.relative_to(root).parts[0]
    if home not in rank:
        print(f"{path}: the folder '{home}' has no rank in {__file__}")
        bad += 1
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([a-z_]+)/', line)
        if match and match[1] != home and rank.get(match[1], 99) >= rank[home]:
            print(f"{path}:{number}: '{home}' must not include '{match[1]}'")
            bad += 1
print(f"{len(files)} files, {bad} includes in the wrong direction")
sys.exit(1 if bad or not files else 0)
