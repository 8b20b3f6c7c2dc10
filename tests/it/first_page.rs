//! The first page is one: it is short, and its figures are those that were measured or are held by
//! the gate.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).expect("a file of the package can be read")
}

/// The cells of the row that begins so; a bar may stand before them.
fn row(page: &str, name: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.contains('|'));
    let rows = rows.map(|line| line.strip_prefix('|').unwrap_or(line).split('|'));
    let mut rows = rows.map(|cells| cells.map(str::trim).map(String::from).collect::<Vec<_>>());
    rows.find(|cells| cells[0] == name).unwrap_or_else(|| panic!("there is no row {name:?}"))
}

/// A figure without its spread.
fn median(cell: &str) -> String {
    cell.split(" (").next().unwrap_or(cell).to_owned()
}

/// Digits in groups of three.
fn grouped(number: &str) -> String {
    let digits = number.len();
    let pieces = number.char_indices().map(|(at, digit)| match digits - at {
        rest if rest % 3 == 0 && at > 0 => format!(",{digit}"),
        _ => digit.to_string(),
    });
    pieces.collect()
}

#[test]
fn the_first_page_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 200, "{lines} lines");
}

/// `docs/terminal --check` compares all of it with what the program prints.
#[test]
fn its_picture_is_small_and_of_the_demo() {
    let picture = read("docs/terminal.svg");
    assert!(picture.len() < 15 * 1024, "{} bytes", picture.len());
    assert!(picture.contains("prefers-color-scheme:dark"));
    assert!(read("README.md").contains("](docs/terminal.svg)"));
    let text: String = picture
        .split('<')
        .filter_map(|piece| piece.split_once('>'))
        .fold(String::new(), |text, (_, words)| text + words);
    let command = read("README.md").lines().find(|line| line.ends_with("--demo")).map(String::from);
    assert!(text.contains(&command.expect("the quick start has the demo")), "{text}");
    for line in ["listening on http://127.0.0.1:8080/mcp", "session #1 opened", "session #1 ended"]
    {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn its_figures_are_those_that_were_measured() {
    let (readme, ceilings) = (read("README.md").replace('\n', " "), read("bench/ceilings.txt"));
    let words: Vec<&str> = readme.split_whitespace().collect();
    let readme = words.join(" ");
    let ceiling = |name: &str| row(&ceilings, name)[1].clone();
    let size: f64 = ceiling("size with musl, bytes").parse().expect("a number of bytes");
    let results = read("bench/RESULTS.md");
    // This program with musl, and the one that it re-creates.
    let head = row(&results, "");
    let column = |name: &str| head.iter().position(|cell| cell == name).expect("a column");
    let columns = (column("this (musl)"), column("hyper-mcp-proxy-0.3.5"));
    let measured = |name: &str| {
        let cells = row(&results, name);
        (median(&cells[columns.0]), median(&cells[columns.1]))
    };
    let calls = measured("calls/s, 8 sessions × 1");
    let at = results.split("calls/s, 8 sessions × 1").nth(1).expect("the row");
    let cpu = row(at, "— CPU per call, µs");
    let rounded = |cell: &str| {
        median(cell).parse::<f64>().map(|figure| format!("{figure:.0}")).expect("a figure")
    };
    // The first table: the name, the clients, and their memory awake and asleep.
    let connected = row(&read("bench/CONNECTED.md"), "this");
    for claim in [
        format!("{} connected clients", connected[1]),
        format!("{} MiB with their servers awake", connected[2]),
        format!("{} MiB asleep", connected[3]),
        format!("at most {:.2} MB", size / 1e6),
        format!("{} KiB of memory at rest", grouped(&ceiling("at rest with musl: idle, KiB"))),
        format!("{} KiB for a session", ceiling("at rest with musl: session, KiB")),
        format!("{} calls a second", calls.0),
        format!("0.3.5 does {} on", calls.1),
        format!("{} µs of processor time", rounded(&cpu[columns.0])),
        format!("that takes {} µs", rounded(&cpu[columns.1])),
    ] {
        assert!(readme.contains(&claim), "README does not say: {claim}");
    }
}
