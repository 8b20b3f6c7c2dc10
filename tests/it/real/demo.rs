//! The demo behind the proxy, as a newcomer meets it.

use serde_json::{Value, json};

use crate::support::http::{Events, PATIENCE};
use crate::support::mcp::{PRIMED, Session, call};
use crate::support::proxy::Proxy;

#[test]
fn the_demo_does_all_that_it_shows() {
    let proxy = Proxy::demo();
    let session = Session::open_at(&proxy, PRIMED);
    assert_eq!(session.call("1", "add", json!({"a": 2, "b": 3})).text(), "2 + 3 = 5");

    let steps = json!({"steps": 3, "delay_ms": 10});
    let told = session.ask(&call("2", "\"mine\"", "progress", &steps));
    assert_eq!(told.messages.len(), 4, "{told:?}");
    let first: Value = serde_json::from_str(&told.messages[0]).unwrap();
    assert_eq!(first["params"]["progressToken"], "mine");

    let question = json!({"what": "elicitation", "question": "Tea?"});
    let mut stream = Events::read(session.post(&call("3", "", "ask", &question)));
    let asked = stream.message();
    assert_eq!(asked["params"]["message"], "Tea?");
    let answer = json!({"action": "accept", "content": {"answer": "yes"}});
    session.tell(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": answer}).to_string());
    let said = stream.message();
    assert_eq!(said["result"]["content"][0]["text"], "The client answered: yes");

    let mut listener = session.listen();
    let subscribe = json!({"jsonrpc": "2.0", "id": 4, "method": "resources/subscribe",
        "params": {"uri": "demo://clock"}});
    assert_eq!(session.ask(&subscribe.to_string()).last()["result"], json!({}));
    assert_eq!(listener.message()["params"]["uri"], "demo://clock");

    assert!(session.delete().status() < 300);
    proxy.childless(PATIENCE);
}
