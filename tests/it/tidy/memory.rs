//! What docs/tuning.md says that the engine holds at most is what `Config::memory` says.

use super::{Config, read};

const MIB: usize = 1 << 20;

fn bytes(text: &str) -> usize {
    let unit = if text.ends_with('M') { MIB } else { 1 << 10 };
    text[..text.len() - 1].parse::<usize>().expect("a size is a number and a unit") * unit
}

#[test]
fn the_table_of_memory_is_true() {
    let page = read("docs/tuning.md");
    let table = page.split("| at most |").nth(1).expect("the table is there");
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 3, "{rows:?}");
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (budget, sessions) = (bytes(cells[1]), cells[2].parse().expect("a count"));
        let config = Config { sessions, pool: sessions, budget, ..Config::default() };
        let told = cells[3].replace(',', "");
        assert_eq!(told, format!("{} MiB", config.memory(1) / MIB), "{row}");
    }
}
