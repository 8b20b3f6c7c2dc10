"""What run and gate share: building, starting measurements, and counts that do not wobble.

Everything is on loopback, bounded in time, and ends what it started by process id.
"""

import configparser
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# The longest that one measurement may take; the slowest peers need a minute for some.
PATIENCE = 300


def say(text):
    print(text, file=sys.stderr, flush=True)


def command(*words, **options):
    """Runs a command to its end and gives what it printed."""
    options = {"timeout": 1500, "check": True, "text": True, "stdout": subprocess.PIPE} | options
    return subprocess.run([str(word) for word in words], **options).stdout


def release_profile():
    """The shipped profile as --config arguments, for the engine to be built the same way."""
    text = (ROOT / "Cargo.toml").read_text()
    section = re.search(r"^\[profile\.release\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S).group(1)
    pairs = re.findall(r"^(opt-level|lto|codegen-units|panic)\s*=\s*([^#\n]+)", section, re.M)
    return [word for name, value in pairs
            for word in ("--config", f"profile.release.{name}={value.strip()}")]


def build():
    """Builds the proxy and the programs of the benchmark; gives the static file if there is one."""
    env = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    command("cargo", "build", "--release", "--locked", "--bin", "hyper-mcp-proxy", cwd=ROOT, env=env)
    own = env | {"CARGO_TARGET_DIR": str(TARGET / "bench")}
    command("cargo", "build", "--release", "--locked", "--bins", *release_profile(), cwd=BENCH, env=own)
    try:
        printed = command(ROOT / "contrib" / "static" / "build", env=env)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"no static file: {error}")
        return None
    return pathlib.Path(printed.split()[-1])


def installed(program, package):
    """Whether a tool is there; installs it where that is possible."""
    if not shutil.which(program) and shutil.which("apt-get") and os.geteuid() == 0:
        say(f"installing {package} for {program}")
        quiet = {"stdout": subprocess.DEVNULL, "check": False}
        command("apt-get", "update", "-qq", **quiet)
        command("apt-get", "install", "-o", "DPkg::Lock::Timeout=300", "-y", "-qq",
                "--no-install-recommends", package, **quiet)
    return shutil.which(program) is not None


def program(name):
    return TARGET / "bench" / "release" / name


class Peer:
    """A program to measure: how it is installed, started, and where it listens."""

    def __init__(self, name, launch, path="/mcp", install=None, binary=None, kinds=None):
        self.name, self.launch, self.path, self.install = name, launch, path, install
        self.binary = pathlib.Path(binary) if binary else None
        # Flags for what it does not do by default, by a name; the default's own have none.
        self.kinds = kinds or {}

    def words(self, kind=None):
        return self.launch.replace("{flags}", self.kinds.get(kind, "")).split()


def our_peer(name, binary):
    return Peer(name, f"{binary} -p {{port}} --max-sessions 1100 -- {program('child')}", binary=binary)


def other_peers(names, child=None):
    """Those of peers.ini that were asked for, installed."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(BENCH / "peers.ini")
    for name in names:
        folder = TARGET / "bench" / "peers" / name
        fill = {"{dir}": str(folder), "{child}": str(child or program("child"))}

        def filled(text):
            for key, value in fill.items():
                text = text.replace(key, value)
            return text

        entry = ini[name]
        binary = filled(entry["binary"])
        if not pathlib.Path(binary).exists():
            say(f"installing {name}")
            own = os.environ | {"CARGO_TARGET_DIR": str(TARGET / "bench" / "peer-target")}
            command("bash", "-euc", filled(entry["install"]), env=own)
        kinds = {key.partition(" for ")[2] or None: filled(value)
                 for key, value in entry.items() if key.startswith("flags")}
        yield Peer(name, filled(entry["launch"]), entry.get("path", "/mcp"), binary=binary, kinds=kinds)


def load(mode, peer, prefix=(), **options):
    """One run of the load generator: what it printed, or what went wrong."""
    words = [program("load"), mode, f"path={peer.path}"]
    words += [f"{name}={value}" for name, value in options.items()]
    done = subprocess.run([str(word) for word in [*words, "--", *prefix, *peer.words()]],
                          capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed"}
    return json.loads(done.stdout.splitlines()[-1])


# Runs only where nothing else wants to.
LOOP = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    pass
"""


@contextlib.contextmanager
def awake():
    """Keeps the processors from falling asleep: to wake one, and a virtual one above all, can take
    longer than a call."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


ALLOCATES = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"}


def callgrind(words, out, *options):
    """Instructions and allocations of a command's main program."""
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "-q", *options, *words]


def read_profile(path):
    """The sum of instructions, and how often anything was allocated."""
    names, callee, allocations, total = {}, "", 0, 0
    with open(path, errors="replace") as lines:
        for line in lines:
            if line.startswith(("totals:", "summary:")):
                total = int(line.split()[1])
            elif line.startswith(("fn=", "cfn=")):
                number, _, name = line.split("=", 1)[1].strip().partition(" ")
                if name:
                    names[number] = name
                if line.startswith("cfn="):
                    callee = names.get(number, "")
            elif line.startswith("calls=") and callee.split("'")[0] in ALLOCATES:
                allocations += int(line[6:].split()[0])
    return total, allocations


def difference(measure, few, many):
    """Per call: the difference of two runs, so that start and end do not count."""
    one, other = measure(few), measure(many)
    return [(b - a) / (many - few) for a, b in zip(one, other)]


def instructions(peer, sessions=1, few=300, many=1500):
    """User instructions and allocations per call, the peer's own."""
    out = TARGET / "bench" / "callgrind.out"

    def measure(count):
        done = load("calls", peer, callgrind([], out), sessions=sessions, flying=1, count=count,
                    warm=max(50, sessions))
        if "error" in done:
            raise RuntimeError(f"{peer.name}: {done['error']}")
        return read_profile(out)

    return difference(measure, few, many)


def engine(few=200, many=2200):
    """Of the engine alone: instructions, allocations and bytes allocated per call."""
    out = TARGET / "bench" / "callgrind.engine"
    last = {}

    def measure(count):
        words = callgrind([program("engine"), count], out, "--toggle-collect=measured_*")
        last.update(json.loads(command(*words, stderr=subprocess.DEVNULL)))
        return read_profile(out)[:1]

    return difference(measure, few, many)[0], last["allocations"], last["allocated"]


def costs(size=16 * 1024):
    """Of each kind of hostile shape (engine/tests/costs), the instructions that a byte of the dearest one
    costs the engine, and which that is."""
    out = TARGET / "bench" / "callgrind.costs"
    for old in out.parent.glob(f"{out.name}.*"):
        old.unlink()
    words = callgrind([program("costs"), size], out, "--toggle-collect=measured_shape",
                      "--dump-after=shape_ended")
    dearest = {}
    for number, line in enumerate(command(*words, stderr=subprocess.DEVNULL).splitlines(), 1):
        measured, _, name = line.split("\t")
        total, _ = read_profile(f"{out}.{number}")
        kind = name.split(":")[0]
        # A head is dear by itself.
        each = total / max(int(measured), 1024)
        dearest[kind] = max(dearest.get(kind, (0, "")), (each, name))
    return dearest


def system_calls(peer, few=200, many=1200):
    """System calls per call, all threads of the peer, none of its children; and which."""
    out = TARGET / "bench" / "strace.out"

    def measure(count):
        words = [program("load"), "calls", f"path={peer.path}", f"count={count}", "warm=50", "pause=1",
                 "--", *peer.words()]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([str(word) for word in words], **pipes) as loading:
            pid = loading.stdout.readline().strip()
            with subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", out, "-p", pid],
                                  stderr=subprocess.PIPE, text=True) as tracing:
                # It says that it is attached.
                tracing.stderr.readline()
                time.sleep(0.3)
                go(loading)
                loading.stdout.readline()
                tracing.send_signal(signal.SIGINT)
            go(loading)
            loading.communicate(timeout=PATIENCE)
        rows = [line.split() for line in open(out)]
        return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}

    one, other = measure(few), measure(many)
    per_call = {name: (count - one.get(name, 0)) / (many - few) for name, count in other.items()}
    return per_call.pop("total"), per_call


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def crates():
    """Packages that are linked into the Linux binary, ours included."""
    tree = command("cargo", "tree", "--locked", "-e", "no-proc-macro,normal", "--prefix", "none",
                   "--target", f"{os.uname().machine}-unknown-linux-gnu", cwd=ROOT)
    return len({line.removesuffix(" (*)") for line in tree.splitlines() if line})
