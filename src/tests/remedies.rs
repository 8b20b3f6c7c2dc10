//! Each rule of the engine has a flag that the program names, and the flag exists.

use mcp_bridge::Rule;

use crate::cli::flags::flags;
use crate::logging::remedies;

#[test]
fn each_rule_names_a_flag() {
    for rule in Rule::ALL {
        let text = remedies::flag(rule).unwrap_or_else(|| panic!("{rule:?} has no text"));
        let named = text.split(' ').find(|word| word.starts_with("--"));
        assert!(flags().any(|flag| named.is_some_and(|named| flag.is_called(named))), "{text}");
    }
    assert_eq!(remedies::all().len(), Rule::ALL.len());
}
