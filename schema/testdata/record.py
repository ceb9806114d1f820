#!/usr/bin/env python3
"""Record what the reference KCL runtime makes of each config with the schema.

    record.py            write every record again
    record.py --check    fail when a record is not what the runtime gives now
    record.py NAME...    only these configs

configs/NAME.k uses the names of ../oci_registry.k bare; the two are evaluated as
one package. Records are as kcl/testdata/record.py describes them; a frame in the
schema names oci_registry.k.
"""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "kcl", "testdata"))
sys.dont_write_bytecode = True
import oracle  # noqa: E402
import record  # noqa: E402

SCHEMA = "oci_registry.k"


def main():
    names = [a for a in sys.argv[1:] if a != "--check"]
    check = "--check" in sys.argv
    root = os.path.join(HERE, "configs")
    todo = sorted(f for f in os.listdir(root) if f.endswith(".k") and (not names or f[:-2] in names))
    with tempfile.TemporaryDirectory() as package:
        for file in (os.path.join(HERE, "..", SCHEMA), *(os.path.join(root, name) for name in todo)):
            shutil.copy(file, package)
        answers = list(oracle.answers([{"dir": package, "files": [name, SCHEMA]} for name in todo]))
    for answer in answers:
        answer.pop("yaml", None)  # the JSON says all of a config
    ok = sum(record.save(os.path.join(root, name[:-2]), answer, check) for name, answer in zip(todo, answers))
    print(f"{len(todo)} configs, {ok} as recorded")
    sys.exit(check and ok != len(todo))


if __name__ == "__main__":
    main()
