"""Makes tables of what run has measured: the median of the rounds, and their spread."""

import statistics
import textwrap

# The width of a line of text; tables are free.
WIDTH = 100

HYPER = "hyper-mcp-proxy-0.3.5"

# Row, measurement, figure, and how it is written.
ROWS = [
    ("start → first initialize, ms", "start", "start_ms", "{:.1f}"),
    ("one call at a time, p50 µs", "one", "p50_us", "{:.0f}"),
    ("— p99 µs", "one", "p99_us", "{:,.0f}"),
    ("— without quick ACKs, p50 µs", "one, delayed", "p50_us", "{:,.0f}"),
    ("— CPU per call, µs", "one", "cpu_us", "{:.1f}"),
    ("— while no processor sleeps, p50 µs", "one, awake", "p50_us", "{:.0f}"),
    ("— while no processor sleeps, CPU per call, µs", "one, awake", "cpu_us", "{:.1f}"),
    ("calls/s, 8 sessions × 1", "8 x 1", "calls_per_s", "{:,.0f}"),
    ("— CPU per call, µs", "8 x 1", "cpu_us", "{:.1f}"),
    ("calls/s, 64 sessions × 1", "64 x 1", "calls_per_s", "{:,.0f}"),
    ("— CPU per call, µs", "64 x 1", "cpu_us", "{:.1f}"),
    ("100 sessions in turn, CPU per call, µs", "100 in turn", "cpu_us", "{:.1f}"),
    ("500 sessions in turn, CPU per call, µs", "500 in turn", "cpu_us", "{:.1f}"),
    ("1 session beside 499 idle, CPU per call, µs", "1 of 500", "cpu_us", "{:.1f}"),
    ("1 session beside 1,000 idle streams, CPU per call, µs", "1,000 streams", "cpu_us", "{:.1f}"),
    ("progress notifications/s through SSE", "progress", "events_per_s", "{:,.0f}"),
    ("— lost of 60,000", "progress", "lost", "{:,.0f}"),
    ("open + call + delete, per s", "life", "lives_per_s", "{:,.0f}"),
    ("— with quick ACKs", "life, quick", "lives_per_s", "{:,.0f}"),
    ("16 MiB down, ms", "down", "ms", "{:,.0f}"),
    ("— peak RSS, MiB", "down", "peak_mib", "{:.1f}"),
    ("— RSS afterwards, MiB", "down", "after_mib", "{:.1f}"),
    ("16 MiB up, ms", "up", "ms", "{:,.0f}"),
    ("— peak RSS, MiB", "up", "peak_mib", "{:.1f}"),
    ("— RSS afterwards, MiB", "up", "after_mib", "{:.1f}"),
    ("idle RSS, KiB", "sessions", "idle_kib", "{:,.0f}"),
    ("RSS per idle session, KiB", "sessions", "session_kib", "{:.1f}"),
    ("RSS at 500 sessions, KiB", "sessions", "sessions_rss_kib", "{:,.0f}"),
    ("— their GET streams, KiB each", "sessions", "stream_kib", "{:.1f}"),
    ("RSS per idle connection, KiB", "connections", "connection_kib", "{:.1f}"),
    ("descriptors per session", "sessions", "session_fds", "{:.0f}"),
    ("threads", "64 x 1", "threads", "{:.0f}"),
]
COUNTS = [
    ("program, stripped, bytes", "size", "{:,.0f}"),
    ("user instructions per call", "instructions", "{:,.0f}"),
    ("allocations per call", "allocations", "{:.1f}"),
    ("system calls per call", "system calls", "{:.1f}"),
]
PIPE = {
    "start → first initialize, ms": "start_ms",
    "one call at a time, p50 µs": "p50_us",
    "calls/s, 8 sessions × 1": "calls_per_s",
    "progress notifications/s through SSE": "events_per_s",
    "16 MiB down, ms": "down_ms",
    "16 MiB up, ms": "up_ms",
}


def median(runs, figure):
    values = [run[figure] for run in runs if isinstance(run.get(figure), (int, float))]
    return (statistics.median(values), min(values), max(values)) if values else None


def wrapped(text):
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def cell(found, form):
    if found is None:
        return "fails"
    middle, least, most = (form.format(value) for value in found)
    return middle if least == most else f"{middle} ({least}–{most})"


def tables(results):
    machine, peers = results["machine"], results["peers"]
    lines = [
        "# Measured",
        "",
        wrapped("Written by `bench/run`; what each row is, `bench/src/bin/load.rs` says. Medians of "
                f"{results['rounds']} rounds in turns, with their spread. "
                "\"floor\" answers the same bytes from one epoll thread with no child; \"pipe\" is "
                "the child alone. No processor sleeps while each has a loop of idle priority."),
        "",
        wrapped(f"{machine['date']}, commit {machine['commit']}, {machine['cpu']}, Linux "
                f"{machine['kernel']}, rustc {machine['rustc']}, load average at the start "
                f"{machine['load']}."),
        "",
        "| | " + " | ".join([*peers, "pipe"]) + " |",
        "|---" * (len(peers) + 2) + "|",
    ]
    for row, name, figure, form in ROWS:
        cells = [cell(median(runs[name], figure), form) for runs in peers.values()]
        own = PIPE.get(row)
        cells.append(cell(median(results["pipe"], own), form) if own else "")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    for row, key, form in COUNTS:
        cells = [form.format(results["counts"][peer][key]) if results["counts"][peer].get(key)
                 else "–" for peer in peers]
        lines.append(f"| {row} | " + " | ".join(cells) + " | |")
    lines += ["", wrapped("System calls per call: " + "; ".join(
        f"{peer}: " + ", ".join(f"{name} {count:.1f}" for name, count in row["which"].items()
                                if count >= 0.05)
        for peer, row in results["counts"].items() if row.get("which")) + "."), ""]
    return "\n".join(lines) + "\n"


# What docs/tuning.md quotes: row, measurement and figure, or the name of a count.
QUOTED = [
    ("program, stripped, bytes", "size", None),
    ("idle RSS, KiB", "sessions", "idle_kib"),
    ("RSS per idle session, KiB", "sessions", "session_kib"),
    ("start → first initialize, ms", "start", "start_ms"),
    ("one call at a time, p50 µs", "one", "p50_us"),
    ("— without quick ACKs", "one, delayed", "p50_us"),
    ("CPU per call, 8 sessions × 1, µs", "8 x 1", "cpu_us"),
    ("user instructions per call", "instructions", None),
    ("system calls per call", "system calls", None),
    ("calls/s, 8 sessions × 1", "8 x 1", "calls_per_s"),
    ("progress notifications/s through SSE", "progress", "events_per_s"),
    ("open + call + delete, per s", "life", "lives_per_s"),
    ("16 MiB down, ms", "down", "ms"),
    ("16 MiB up, ms", "up", "ms"),
]


def quote(results):
    """The table for docs/tuning.md: ours beside the program that is re-created."""
    mine = next(peer for peer in results["peers"] if peer.startswith("this"))
    lines = [f"| | {mine} | {HYPER} | × |", "|---|---|---|---|"]

    def value(peer, name, figure):
        if figure is None:
            return results["counts"].get(peer, {}).get(name)
        found = median(results["peers"].get(peer, {}).get(name, []), figure)
        return found[0] if found else None

    for row, name, figure in QUOTED:
        one, other = value(mine, name, figure), value(HYPER, name, figure)
        ratio = f"{one / other:.3g}" if one and other else "–"
        cells = ("–" if cell is None else f"{cell:,.0f}" if cell >= 100 else f"{cell:.1f}"
                 for cell in (one, other))
        lines.append(f"| {row} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(lines) + "\n"


class Bars:
    """One line for each bar: what was to be reached, what was measured, and whether it was."""

    def __init__(self, results, name):
        self.results, self.name, self.lines = results, name, []

    def of(self, peer, name, figure):
        found = median(self.results["peers"].get(peer, {}).get(name, []), figure)
        return found[0] if found else None

    def ours(self, name, figure):
        return self.of(self.name, name, figure)

    def most(self, bar, value, limit, form="{:,.1f}"):
        self.add(bar, value, form.format(limit), None if value is None else value <= limit, form)

    def ratio(self, bar, name, figure, limit, least=False):
        mine, theirs = self.ours(name, figure), self.of(HYPER, name, figure)
        if not mine or not theirs:
            return self.add(bar, None, f"{limit} ×", None, "{}")
        share = mine / theirs
        reached = share >= limit if least else share <= limit
        sign = "≥" if least else "≤"
        self.add(f"{bar} (× hyper)", share, f"{sign} {limit}", reached, "{:.2f}")

    def add(self, bar, value, limit, reached, form):
        word = {True: "reached", False: "**missed**", None: "not measured"}[reached]
        shown = "–" if value is None else form.format(value)
        self.lines.append(f"| {bar} | {limit} | {shown} | {word} |")


def bars(results):
    name = next(peer for peer in results["peers"] if peer.startswith("this"))
    bar = Bars(results, name)
    counts = results["counts"]
    mine, hyper = counts[name], counts.get(HYPER, {})

    def count_ratio(text, key, limit):
        if mine.get(key) and hyper.get(key):
            share = mine[key] / hyper[key]
            bar.add(f"{text} (× hyper)", share, f"≤ {limit}", share <= limit, "{:.3f}")

    bar.most("size, bytes", mine["size"], 1_300_000, "{:,.0f}")
    count_ratio("size", "size", 0.15)
    bar.most("crates", results["crates"], 90, "{:.0f}")
    bar.most("idle RSS, KiB", bar.ours("sessions", "idle_kib"), 2441, "{:,.0f}")
    bar.ratio("idle RSS", "sessions", "idle_kib", 0.4)
    bar.most("threads", bar.ours("64 x 1", "threads"), 2, "{:.0f}")
    bar.most("RSS per idle session, KiB", bar.ours("sessions", "session_kib"), 12)
    bar.ratio("RSS per idle session", "sessions", "session_kib", 0.1)
    bar.most("descriptors per session", bar.ours("sessions", "session_fds"), 4, "{:.0f}")
    bar.most("RSS per idle connection, KiB", bar.ours("connections", "connection_kib"), 6)
    bar.most("RSS per open GET stream, KiB", bar.ours("sessions", "stream_kib"), 20)
    child = median(results["pipe"], "start_ms")[0]
    floor = bar.of("floor", "start", "start_ms")
    bar.most("start → first initialize, ms", bar.ours("start", "start_ms"), 1.3 * (child + floor))
    bar.most("CPU per call at 8 × 1, µs", bar.ours("8 x 1", "cpu_us"), 30)
    bar.ratio("CPU per call at 8 × 1", "8 x 1", "cpu_us", 0.2)
    bar.most("CPU per call, one at a time, µs", bar.ours("one", "cpu_us"), 30)
    bar.ratio("CPU per call, one at a time", "one", "cpu_us", 0.2)
    bar.most("the same while no processor sleeps, µs", bar.ours("one, awake", "cpu_us"), 30)
    bar.ratio("the same while no processor sleeps", "one, awake", "cpu_us", 0.2)
    bar.most("user instructions per call", mine.get("instructions"), 70_000, "{:,.0f}")
    count_ratio("user instructions per call", "instructions", 0.2)
    bar.most("system calls per call", mine.get("system calls"), 10)
    bar.most("the engine's own instructions per call", results["engine"][0], 3000, "{:,.0f}")
    bar.ratio("one call at a time, p50", "one", "p50_us", 0.4)
    bar.ratio("the same while no processor sleeps", "one, awake", "p50_us", 0.4)
    quick, delayed = bar.ours("one", "p50_us"), bar.ours("one, delayed", "p50_us")
    if quick and delayed:
        bar.most("the same without quick ACKs, × with", delayed / quick, 1.5, "{:.2f}")
    bar.ratio("calls/s, 8 × 1", "8 x 1", "calls_per_s", 4, least=True)
    bar.ratio("calls/s, 64 × 1", "64 x 1", "calls_per_s", 4, least=True)
    bar.ratio("progress notifications/s", "progress", "events_per_s", 8, least=True)
    bar.ratio("open + call + delete", "life", "lives_per_s", 20, least=True)
    for way in ("down", "up"):
        bar.ratio(f"16 MiB {way}", way, "ms", 0.5)
        bar.most(f"16 MiB {way}, peak RSS, MiB", bar.ours(way, "peak_mib"), 36)
        bar.most(f"16 MiB {way}, RSS afterwards, MiB", bar.ours(way, "after_mib"), 4)
    alone = bar.ours("one", "cpu_us")
    for row, text in (("100 in turn", "100 sessions in turn"), ("500 in turn", "500 in turn"),
                      ("1 of 500", "499 idle sessions"), ("1,000 streams", "1,000 idle streams")):
        value = bar.ours(row, "cpu_us")
        bar.most(f"CPU per call, × alone: {text}", value and alone and value / alone, 1.2, "{:.2f}")
    head = ["## The bars", "", f"Of {name}, by medians.", "", "| bar | limit | measured | |",
            "|---|---|---|---|"]
    return "\n".join([*head, *bar.lines]) + "\n"
