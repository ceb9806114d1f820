#!/usr/bin/env python3
"""Record what the reference KCL runtime makes of the programs beside this file.

    record.py            write every record again
    record.py --check    fail when a record is not what the runtime gives now
    record.py NAME...    only these programs

Needs the runtime: pip install kcl-lib==0.13.2

programs/NAME.k, or programs/NAME/ with a main.k, or without one, when all of its
.k files are the main package, has these records:

NAME.json  the program is accepted; the JSON value, exactly as the runtime prints it
NAME.yaml  the same as YAML
NAME.err   the program is rejected; "[file:]line" of the first error, then
           "class: message", then one "[file:]line: message" for every further frame.
           The file is given where it is not the program's first one.
           Line 0 means that the runtime itself crashed.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402


def save(path, answer, check):
    """Write the records, or compare them. Reports whether they were as given."""
    if "error" in answer:
        records = {".err": answer["error"]}
    else:
        records = {"." + form: answer[key] + "\n" for form, key in (("json", "value"), ("yaml", "yaml")) if key in answer}
    same = True
    for ending in (".json", ".yaml", ".err"):
        old, text = None, records.get(ending)
        if os.path.exists(path + ending):
            with open(path + ending) as f:
                old = f.read()
        if old == text:
            continue
        same = False
        if check:
            print(f"{path}{ending}: recorded\n{old}\nnow\n{text}")
        elif text is None:
            os.remove(path + ending)
        else:
            with open(path + ending, "w") as f:
                f.write(text)
    return same


def programs(root):
    """The path of each record without its ending, and the request for it."""
    for name in sorted(os.listdir(root)):
        path = os.path.join(root, name)
        if name.endswith(".k"):
            yield path[:-2], {"dir": root, "files": [name]}
        elif os.path.isdir(path):
            files = sorted(f for f in os.listdir(path) if f.endswith(".k"))
            yield path, {"dir": path, "files": ["main.k"] if "main.k" in files else files}


def main():
    names = [a for a in sys.argv[1:] if a != "--check"]
    check = "--check" in sys.argv
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
    todo = [p for p in programs(root) if not names or os.path.basename(p[0]) in names]
    answers = oracle.answers([request for _, request in todo])
    ok = sum(save(path, answer, check) for (path, _), answer in zip(todo, answers))
    print(f"{len(todo)} programs, {ok} as recorded")
    sys.exit(check and ok != len(todo))


if __name__ == "__main__":
    main()
