#!/usr/bin/env python3
"""Record what the reference KCL runtime makes of the programs beside this file.

    record.py            write every record again
    record.py --check    fail when a record is not what the runtime gives now
    record.py NAME...    only these programs

Needs the runtime: pip install kcl-lib==0.13.2

programs/NAME.k, or the package programs/NAME/ with a main.k, has these records:

NAME.json  the program is accepted; the JSON value, exactly as the runtime prints it
NAME.yaml  the same as YAML
NAME.err   the program is rejected; "[file:]line" of the first error, then
           "class: message", then one "[file:]line: message" for every further frame.
           The file is given where it is not the program's main one.
           Line 0 means that the runtime itself crashed.
"""
import multiprocessing
import os
import re
import sys

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# The message stands behind the coloured caret, and may go over several lines.
RED = r"\x1b\[1;38;5;9m"
FRAME = re.compile(
    r"(?:^|\n)(?:error(?:\[\w+\])?: )?(?P<cls>[A-Z]\w*)\n(?= *\x1b\[[0-9;]*m-->)"
    r"|-->\x1b\[0m (?P<file>[^\n]*):(?P<line>\d+):\d+\n"
    rf"|{RED}[^\x1b]*\x1b\[0m {RED}(?P<msg>[^\x1b]*)\x1b\[0m"
)


def frames(text):
    """The frames of an error text: (class, file, line, message)."""
    out, cls = [], ""
    for m in FRAME.finditer(text):
        if m["cls"]:
            cls = m["cls"]
        elif m["file"]:
            out.append((cls, os.path.basename(m["file"]), int(m["line"]), ""))
        elif out:
            out[-1] = (*out[-1][:3], " ".join(m["msg"].split()))
    return list(dict.fromkeys(out))


def dependencies(directory, vendor, seen):
    """The modules that kcl.mod names, theirs too: the runtime itself does not read it."""
    path = os.path.join(directory, "kcl.mod")
    if not os.path.exists(path):
        return
    with open(path) as f:
        text = f.read()
    for name, target, version in re.findall(r'^([\w-]+) = (?:\{ path = "(.*)" \}|"(.*)")$', text.partition("[dependencies]")[2], re.M):
        found = os.path.join(directory, target) if target else os.path.join(vendor, f"{name}_{version}")
        if name.replace("-", "_") not in seen:
            seen[name.replace("-", "_")] = os.path.normpath(found)
            dependencies(found, vendor, seen)


def execute(directory, files, pipe):
    """Run in a process of its own: some programs take the runtime down."""
    import kcl_lib.api as kcl

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        args = kcl.ExecProgramArgs(work_dir=directory, k_filename_list=files)
        modules = {}
        dependencies(directory, os.path.join(directory, "vendor"), modules)
        for name, path in modules.items():
            args.external_pkgs.add(pkg_name=name, pkg_path=path)
        r = kcl.API().exec_program(args)
        pipe.send((r.err_message, {".json": r.json_result, ".yaml": r.yaml_result}))
    except Exception as e:  # the binding raises plain Exception for parse and resolve errors
        pipe.send((str(e), {}))


def evaluate(directory, files):
    """The records: texts by name ending."""
    here, there = multiprocessing.Pipe(False)
    p = multiprocessing.Process(target=execute, args=(directory, files, there))
    p.start()
    there.close()
    try:
        err, values = here.recv() if here.poll(20) else ("no answer", {})
    except EOFError:
        err, values = "the runtime crashed", {}
    p.kill()
    p.join()
    if not err:
        return {ending: value + "\n" for ending, value in values.items()}
    found = frames(err)
    if not found:
        text = ANSI.sub("", err).replace(directory + "/", "").strip().split("\n")
        return {".err": "0\n" + "\n".join(t.strip() for t in text if t.strip()) + "\n"}
    places = [("" if file == files[0] else file + ":") + str(line) for _, file, line, _ in found]
    lines = [places[0], f"{found[0][0]}: {found[0][3]}"]
    lines += [f"{place}: {f[3]}" for place, f in zip(places[1:], found[1:])]
    return {".err": "\n".join(lines).replace(directory + "/", "").replace(directory, ".") + "\n"}


def save(path, records, check):
    """Write the records, or compare them. Reports whether they were as given."""
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
    for name in sorted(os.listdir(root)):
        path = os.path.join(root, name)
        if name.endswith(".k"):
            yield path[:-2], root, [name]
        elif os.path.isfile(os.path.join(path, "main.k")):
            yield path, path, ["main.k"]


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    check = "--check" in sys.argv
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
    ok = total = 0
    for path, directory, files in programs(root):
        if args and os.path.basename(path) not in args:
            continue
        total += 1
        ok += save(path, evaluate(directory, files), check)
    print(f"{total} programs, {ok} as recorded")
    sys.exit(check and ok != total)


if __name__ == "__main__":
    main()
