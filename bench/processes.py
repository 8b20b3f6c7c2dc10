"""Programs under measurement as processes: started on a free port, waited for, ended by their id."""

import contextlib
import ipaddress
import os
import pathlib
import signal
import socket
import subprocess
import time

# Seconds until something has to be so.
OPENING = 600


def wait(what, is_so, seconds=OPENING):
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def connects(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def serving(words, log=subprocess.DEVNULL, **options):
    """A program that listens on a port of its own, which stands for {port} in its words."""
    port = free_port()
    words = [str(word).replace("{port}", str(port)) for word in words]
    process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.PIPE, **options)
    try:
        wait("somebody to listen", lambda: connects(port) or process.poll() is not None)
        yield process, port
    finally:
        end(process)


def end(process, seconds=30):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def below(pid):
    """The processes that a process has started, and theirs."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *below(int(child))]
    return found


def alive(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def listeners(port):
    """The addresses on which somebody listens there."""
    found = set()
    for table, size in (("tcp", 4), ("tcp6", 16)):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = bytes.fromhex(address)
                # Words of four bytes in the machine's own order.
                found.add(str(ipaddress.ip_address(b"".join(
                    words[at:at + 4][::-1] for at in range(0, size, 4)))))
    return found


def table(head, rows):
    """The lines of a table in Markdown."""
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
