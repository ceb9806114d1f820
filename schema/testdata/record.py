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
import record  # noqa: E402

SCHEMA = "oci_registry.k"


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    check = "--check" in sys.argv
    root = os.path.join(HERE, "configs")
    ok = total = 0
    for name in sorted(os.listdir(root)):
        base, ending = os.path.splitext(name)
        if ending != ".k" or args and base not in args:
            continue
        with tempfile.TemporaryDirectory() as package:
            shutil.copy(os.path.join(HERE, "..", SCHEMA), package)
            shutil.copy(os.path.join(root, name), package)
            got = record.evaluate(package, [name, SCHEMA])
        total += 1
        ok += record.save(os.path.join(root, base), *got, check)
    print(f"{total} configs, {ok} as recorded")
    sys.exit(check and ok != total)


if __name__ == "__main__":
    main()
