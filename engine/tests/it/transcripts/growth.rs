//! Who is gone leaves nothing: a round of a story that is told again and again makes the engine
//! hold no more. `Debug` shows all that it holds.

use super::play::held;
use super::text::Case;

/// Bytes by which what is shown may differ, because numbers get more digits.
const DIGITS: usize = 200;

/// What opens the story, and a round. In it `{n}` is the number of an exchange, `{i}` the id that
/// the child knows the round's request by, `{p}` the number of the round's own child.
const STORIES: [(&str, &str); 8] = [
    ("child stateless", "> {n} ASK x/y\n>   | ASKED\n> lost {n}\n"),
    (
        "child stateless",
        "> stops {n}\n> {n} ASK x/y\n>   accept: text/event-stream\n>   | ASKED\n> wait 60 s\n",
    ),
    (
        "child session-era",
        "> {n} ASK tools/list\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\
         \"params\":{\"_meta\":{@caps}}}\n> lost {n}\n",
    ),
    (
        "child session-era",
        "> {n} ASK subscriptions/listen\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\
         \"method\":\"subscriptions/listen\",\"params\":{\"_meta\":{@caps},\
         \"notifications\":{\"toolsListChanged\":true}}}\n> lost {n}\n",
    ),
    (
        "session 2025-06-18",
        "> {n} POST @1\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}\n> lost {n}\n\
         > stdout #1\n>   | {\"jsonrpc\":\"2.0\",\"id\":{i},\"result\":{}}\n",
    ),
    (
        "config restart false\nsession 2025-06-18",
        "> {n} POST\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}\n\
         > stdout #{p}\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n> lost {n}\n\
         > wait 300 s\n> exit #{p} code 0\n",
    ),
    // What may still come of the latest of them is remembered.
    (
        "session 2025-11-25",
        "> {n} POST @1\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
         \"params\":{\"task\":{},\"_meta\":{\"progressToken\":\"a token\"}}}\n\
         > stdout #1\n>   | {\"jsonrpc\":\"2.0\",\"id\":{i},\"result\":{}}\n",
    ),
    (
        "shared {}",
        "> {n} POST @1\n>   | {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}\n\
         > 5{n} POST @1\n>   | {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
         \"params\":{\"requestId\":1}}\n",
    ),
];

/// Rounds after which all is there that is remembered of the latest.
const FEW: u64 = 80;

const ASKED: &str = r#"{"jsonrpc":"2.0","id":1,"method":"x/y","params":{"_meta":{@meta}}}"#;

#[test]
fn what_is_over_leaves_nothing() {
    for (opening, round) in STORIES {
        let told = |rounds: u64| {
            let mut story = format!("{opening}\n");
            for number in 1..=rounds {
                let (exchange, id) = (number + 9, number + 1);
                let round = round.replace("ASKED", ASKED).replace("{n}", &exchange.to_string());
                let round = round.replace("{i}", &id.to_string());
                story += &round.replace("{p}", &id.to_string());
            }
            held(&Case::loose(&story)).expect("a story that can be told")
        };
        let (few, many) = (told(FEW), told(300));
        assert!(
            many <= few + DIGITS,
            "{few} bytes after {FEW} rounds, {many} after 300 rounds:\n{round}"
        );
    }
}
