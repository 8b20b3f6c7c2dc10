//! An MCP server that misbehaves on demand: what it does is a script of steps, given on its
//! command line for its start, for `server/discover`, for `initialize` and for the end of its
//! input, and in the arguments of a `tools/call` for anything later.
//!
//! ```text
//! test-child [--start STEPS] [--discover STEPS] [--initialize STEPS] [--eof STEPS]
//! STEPS   [{"write": "..."}, {"sleep": 100}, ...], the steps are listed at `Script::step`
//! ```
//!
//! Any other request is answered with its own line as it was read, so that a test sees each byte.
//! Whatever it is told, it ends after [`LIFETIME`]: a test that fails leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a step that can't be done is the test's mistake")]

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The longest that it lives.
const LIFETIME: Duration = Duration::from_secs(180);

/// Lines that it remembers having read.
const REMEMBERED: usize = 100;

/// Bytes of each that it remembers.
const REMEMBERED_LINE: usize = 4096;

/// What was read, for scripts that wait for an answer and for the tool `seen`.
#[derive(Default)]
struct Seen {
    lines: Mutex<VecDeque<String>>,
    more: Condvar,
}

impl Seen {
    fn add(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap();
        lines.push_back(line.chars().take(REMEMBERED_LINE).collect());
        if lines.len() > REMEMBERED {
            lines.pop_front();
        }
        self.more.notify_all();
    }

    /// Waits for the answer with this id and returns its line.
    fn answer(&self, id: &Value) -> String {
        let mut lines = self.lines.lock().unwrap();
        loop {
            let answer = lines.iter().find(|line| {
                let message: Value = serde_json::from_str(line).unwrap_or_default();
                message.get("method").is_none() && message["id"] == *id
            });
            if let Some(answer) = answer {
                return answer.clone();
            }
            lines = self.more.wait(lines).unwrap();
        }
    }
}

/// Steps that answer one message, or none.
struct Script {
    steps: Vec<Value>,
    seen: Arc<Seen>,
    id: Value,
    token: Value,
    answer: String,
}

impl Script {
    fn new(steps: &Value, seen: &Arc<Seen>, message: &Value) -> Self {
        Self {
            steps: steps.as_array().cloned().unwrap_or_default(),
            seen: Arc::clone(seen),
            id: message["id"].clone(),
            token: message["params"]["_meta"]["progressToken"].clone(),
            answer: String::new(),
        }
    }

    fn run(mut self) {
        for step in std::mem::take(&mut self.steps) {
            for (name, argument) in step.as_object().expect("a step is an object") {
                self.step(name, argument);
            }
        }
    }

    fn step(&mut self, name: &str, argument: &Value) {
        let text = argument.as_str().unwrap_or_default();
        let number = argument.as_u64().unwrap_or_default();
        match name {
            // Text as it stands; `$ID` and `$TOKEN` are the request's.
            "write" => out(self.filled(text).as_bytes()),
            // Bytes that are no text.
            "hex" => out(&unhex(text)),
            // `[times, text]`, where `$N` counts.
            "repeat" => self.repeat(argument),
            // An answer of this text, said in some odd way.
            "crlf" => out(self.said(text).replace('\n', "\r\n").as_bytes()),
            "dribble" => self.said(text).bytes().for_each(|byte| out(&[byte])),
            "twice" => (0..number).for_each(|_| out(self.said("right").as_bytes())),
            // An answer with this for its id.
            "reply" => {
                let id = self.filled(text);
                let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"wrong"}}"#);
                out(format!("{line}\n").as_bytes());
            }
            // The progress of a call with this token.
            "progress" => {
                let params = json!({"progressToken": number, "progress": 1});
                let note = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                    "params": params});
                out(format!("{note}\n").as_bytes());
            }
            // So many bytes of one letter, without an end of line.
            "fill" => fill(&mut io::stdout(), number),
            // The result of the call.
            "answer" => {
                let text = if text == "$ANSWER" { &self.answer } else { text };
                out(self.said(text).as_bytes());
            }
            // The result of the call: the lines that were read.
            "seen" => {
                let seen = report("seen", &self.seen).to_string();
                out(self.said(&seen).as_bytes());
            }
            // A request to the client; goes on when it is answered. `$ANSWER` is its answer.
            "ask" => {
                out(format!("{text}\n").as_bytes());
                let question: Value = serde_json::from_str(text).unwrap();
                self.answer = self.seen.answer(&question["id"]);
            }
            // One more line at the end of this file.
            "append" => {
                let file = OpenOptions::new().append(true).open(text).unwrap();
                writeln!(&file).unwrap();
            }
            // Milliseconds.
            "sleep" => thread::sleep(Duration::from_millis(number)),
            // Milliseconds in which the program reads one more line and nothing else.
            "deaf" => {
                let _held = self.seen.lines.lock().unwrap();
                thread::sleep(Duration::from_millis(number));
            }
            "exit" => exit(i32::try_from(number).unwrap()),
            // This process becomes a shell that runs this.
            "exec" => panic!("{}", Command::new("sh").args(["-c", text]).exec()),
            // A process of its own runs this in a shell, with all that it inherits.
            "spawn" => drop(Command::new("sh").args(["-c", text]).spawn().unwrap()),
            "stderr" => io::stderr().write_all(text.as_bytes()).unwrap(),
            "stderr-hex" => io::stderr().write_all(&unhex(text)).unwrap(),
            "stderr-fill" => fill(&mut io::stderr(), number),
            _ => panic!("no step {name}"),
        }
    }

    /// The line that answers the call with this text.
    fn said(&self, text: &str) -> String {
        let result = json!({"content": [{"type": "text", "text": text}]});
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n", self.id)
    }

    fn filled(&self, text: &str) -> String {
        text.replace("$ID", &self.id.to_string()).replace("$TOKEN", &self.token.to_string())
    }

    fn repeat(&self, argument: &Value) {
        let text = self.filled(argument[1].as_str().unwrap());
        for n in 0..argument[0].as_u64().unwrap() {
            out(text.replace("$N", &n.to_string()).as_bytes());
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn fill(to: &mut impl Write, mut bytes: u64) {
    let block = [b'x'; 65536];
    while bytes > 0 {
        let some = bytes.min(block.len() as u64);
        if to.write_all(&block[..some as usize]).and_then(|()| to.flush()).is_err() {
            exit(98);
        }
        bytes -= some;
    }
}

/// Writes to standard output; a reader that is gone ends the program as it does most.
fn out(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        exit(98);
    }
}

fn result(id: &Value, result: &Value) {
    out(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n").as_bytes());
}

/// What a tool that looks at the process itself sees.
fn report(name: &str, seen: &Seen) -> Value {
    match name {
        "fds" => {
            // The listing has a descriptor of its own, which is gone when it is looked at.
            let listed = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let mut paths: Vec<_> = listed.map(|entry| entry.path()).collect();
            paths.retain(|path| std::fs::read_link(path).is_ok());
            paths.iter().filter_map(|path| path.file_name()?.to_str()).collect()
        }
        "env" => std::env::vars().map(|(name, value)| json!([name, value])).collect(),
        "cwd" => std::env::current_dir().unwrap().display().to_string().into(),
        "pid" => json!(std::process::id()),
        "seen" => seen.lines.lock().unwrap().iter().map(String::as_str).collect(),
        _ => Value::Null,
    }
}

/// One message; the script of a call runs on a thread of its own unless it says `inline`.
fn receive(line: &str, options: &Options, seen: &Arc<Seen>) {
    let Ok(message) = serde_json::from_str::<Value>(line) else {
        return;
    };
    let (id, params) = (&message["id"], &message["params"]);
    let Some(method) = message["method"].as_str().filter(|_| !id.is_null()) else {
        return;
    };
    let name = params["name"].as_str().unwrap_or_default();
    match method {
        "server/discover" if options.discover.is_array() => {
            Script::new(&options.discover, seen, &message).run();
        }
        "initialize" if options.initialize.is_array() => {
            Script::new(&options.initialize, seen, &message).run();
        }
        "initialize" => result(
            id,
            &json!({
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"logging": {}, "resources": {"subscribe": true}, "tools": {}},
                "serverInfo": {"name": "test-child", "version": "1"},
            }),
        ),
        "tools/call" if name == "script" => {
            let script = Script::new(&params["arguments"]["steps"], seen, &message);
            if params["arguments"]["inline"] == true {
                script.run();
            } else {
                thread::spawn(|| script.run());
            }
        }
        "tools/call" => {
            let text = report(name, seen).to_string();
            result(id, &json!({"content": [{"type": "text", "text": text}]}));
        }
        _ => result(id, &json!({"line": line})),
    }
}

#[derive(Default)]
struct Options {
    start: Value,
    discover: Value,
    initialize: Value,
    eof: Value,
}

fn options() -> Options {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(steps)) = (words.next(), words.next()) {
        let steps = serde_json::from_str(&steps).expect("steps are JSON");
        match name.as_str() {
            "--start" => options.start = steps,
            "--discover" => options.discover = steps,
            "--initialize" => options.initialize = steps,
            "--eof" => options.eof = steps,
            _ => panic!("no option {name}"),
        }
    }
    options
}

fn main() {
    thread::spawn(|| {
        thread::sleep(LIFETIME);
        exit(97);
    });
    let (options, seen) = (options(), Arc::new(Seen::default()));
    Script::new(&options.start, &seen, &Value::Null).run();
    let mut input = io::stdin().lock();
    let mut line = String::new();
    while input.read_line(&mut line).is_ok_and(|read| read > 0) {
        let text = line.strip_suffix('\n').unwrap_or(&line);
        seen.add(text);
        receive(text, &options, &seen);
        line.clear();
    }
    Script::new(&options.eof, &seen, &Value::Null).run();
}
