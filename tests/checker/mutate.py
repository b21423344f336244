#!/usr/bin/env python3
"""Makes copies of the ring's sources in which each check named in mutants.txt stands behind a switch.

    mutate.py SOURCE_DIR OUT_DIR     writes OUT_DIR/ring/*, and OUT_DIR/mutants.inc, a list of files and names

Lines keep their numbers, and names of files what __FILE__ says of them.
"""
import pathlib
import re
import sys


def mutants_of(path):
    name = file = old = None
    for line in path.read_text().splitlines():
        if line.startswith("@ "):
            name, file = re.fullmatch(r"@ (.*?)  (\S+)", line).groups()
        elif line.startswith("- "):
            old = line[2:].replace("\\n", "\n")
        elif line.startswith("+ "):
            yield name, file, old, line[2:].replace("\\n", "\n")


def main(source, out):
    source, out = pathlib.Path(source), pathlib.Path(out)
    (out / "ring").mkdir(parents=True, exist_ok=True)
    texts, names = {}, {}
    for name, file, old, new in mutants_of(pathlib.Path(__file__).parent / "mutants.txt"):
        path = source / "src/ring" / file
        text = texts.get(path) or f'#line 1 "{path}"\n' + path.read_text()
        if text.count(old) != 1:
            sys.exit(f"mutate.py: error: '{name}': {text.count(old)} places in {file} say '{old}', want 1")
        names.setdefault(name, file)
        number = list(names).index(name) + 1
        texts[path] = text.replace(old, new.replace("$", old).replace("BROKEN", f"::ouro::checker::broken({number})"))
    files = {out / "ring" / path.name: text for path, text in texts.items()}
    files[out / "mutants.inc"] = "".join(f'{{"{file}", "{name}"}},\n' for name, file in names.items())
    for path, text in files.items():
        path.write_text(text)


main(*sys.argv[1:])
