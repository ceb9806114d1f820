#!/usr/bin/env python3
"""Ask the reference KCL runtime what it makes of many programs.

    oracle.py < requests > answers

One JSON object a line, answers in the order of the requests:

{"dir": D, "files": [...]}       evaluate files of a directory as one program
{"dir": D, "schema": FILE, "name": SCHEMA, "data": FILE, "format": "yaml"|"json"}
                                 check data against a schema of a file

{"value": TEXT, "yaml": TEXT}    accepted; the value as JSON and as YAML, exactly as the runtime
                                 prints it, and "" where only data was checked
{"error": TEXT}                  rejected; as the .err records that record.py describes

Needs the runtime: pip install kcl-lib==0.13.2
"""
import concurrent.futures
import json
import multiprocessing
import os
import re
import sys
import threading

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# The message stands behind the coloured caret, and may go over several lines.
RED = r"\x1b\[1;38;5;9m"
FRAME = re.compile(
    r"(?:^|\n)(?:error(?:\[\w+\])?: )?(?P<cls>[A-Z]\w*)\n(?= *\x1b\[[0-9;]*m-->)"
    r"|-->\x1b\[0m (?P<file>[^\n]*):(?P<line>\d+):\d+\n"
    rf"|{RED}[^\x1b]*\x1b\[0m {RED}(?P<msg>[^\x1b]*)\x1b\[0m"
)
TIMEOUT = 20  # seconds for one program
LIFETIME = 300  # programs that one process runs; the runtime never frees what it loaded


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


def record(request, text):
    """The text of an .err record for an error text of the runtime."""
    directory, main = request["dir"], request.get("files", [""])[0]
    found = frames(text)
    if not found:
        lines = ANSI.sub("", text).replace(directory + "/", "").strip().split("\n")
        return "0\n" + "\n".join(t.strip() for t in lines if t.strip()) + "\n"
    places = [("" if file == main else file + ":") + str(line) for _, file, line, _ in found]
    lines = [places[0], f"{found[0][0]}: {found[0][3]}"]
    lines += [f"{place}: {f[3]}" for place, f in zip(places[1:], found[1:])]
    return "\n".join(lines).replace(directory + "/", "").replace(directory, ".") + "\n"


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


def ask(api, kcl, request):
    """The error text and the value of one program, as JSON and as YAML."""
    directory = request["dir"]
    if "schema" in request:
        r = api.validate_code(
            kcl.ValidateCodeArgs(
                datafile=os.path.join(directory, request["data"]),
                file=os.path.join(directory, request["schema"]),
                schema=request["name"],
                attribute_name="value",
                format=request["format"],
            )
        )
        return r.err_message, "", ""
    args = kcl.ExecProgramArgs(work_dir=directory, k_filename_list=request["files"])
    modules = {}
    dependencies(directory, os.path.join(directory, "vendor"), modules)
    for name, path in modules.items():
        args.external_pkgs.add(pkg_name=name, pkg_path=path)
    r = api.exec_program(args)
    return r.err_message, r.json_result, r.yaml_result


def work(pipe):
    """Answer requests until the pipe is closed."""
    import kcl_lib.api as kcl

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    api = kcl.API()
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        try:
            answer = ask(api, kcl, request)
        except Exception as e:  # the binding raises plain Exception for parse and resolve errors
            answer = str(e), "", ""
        pipe.send(answer)


class Worker:
    """A process that answers requests. Some programs take the runtime down, and the process with it."""

    def __init__(self):
        self.process = None

    def start(self):
        self.pipe, there = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=work, args=(there,), daemon=True)
        self.process.start()
        there.close()
        self.left = LIFETIME

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.join()
            self.pipe.close()
        self.process = None

    def answer(self, request):
        if not self.process or not self.left:
            self.stop()
            self.start()
        self.left -= 1
        try:
            self.pipe.send(request)
            if not self.pipe.poll(TIMEOUT):
                self.stop()
                return {"error": record(request, "no answer")}
            err, value, yaml = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.stop()
            return {"error": record(request, "the runtime crashed")}
        return {"error": record(request, err)} if err else {"value": value, "yaml": yaml}


def answers(requests):
    """The answers to requests, in their order, from a process for each processor."""
    own = threading.local()
    workers = []

    def answer(request):
        if not hasattr(own, "worker"):
            own.worker = Worker()
            workers.append(own.worker)
        return own.worker.answer(request)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(answer, requests)
    for worker in workers:
        worker.stop()


def main():
    for a in answers([json.loads(line) for line in sys.stdin]):
        print(json.dumps(a), flush=True)


if __name__ == "__main__":
    main()
