//! A headless Chromium, driven over its DevTools pipe.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A browser may be slow to start while others compile.
const PATIENCE: Duration = Duration::from_secs(60);

const NAMES: [&str; 2] = ["chromium", "chromium-browser"];

/// A browser with one page; killed on drop.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    next: u64,
    session: String,
    /// Kept for its lifetime.
    _profile: TempDir,
}

impl Browser {
    /// `None`, loudly, where there is no Chromium; with `CI=true` that is a failure.
    pub(crate) fn start() -> Option<Self> {
        let found = NAMES.into_iter().find(|name| {
            let mut version = Command::new(name);
            version
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            version.status().is_ok_and(|status| status.success())
        });
        let Some(name) = found else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "chromium is not installed; `cargo xtask setup` installs it"
            );
            eprintln!("SKIPPED, NOT CHECKED: chromium is not installed");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder");
        // The pipe is on descriptors 3 and 4; the browser's own output goes to standard error.
        let line = format!(
            "exec {name} --headless --no-sandbox --disable-gpu --no-first-run --disable-sync \
             --disable-background-networking --disable-component-update --remote-debugging-pipe \
             --user-data-dir={} about:blank 3<&0 4>&1 1>&2",
            profile.path().display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be run");
        let commands = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (told, answers) = mpsc::channel();
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                if told.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            answers,
            next: 0,
            session: String::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.enable", json!({}));
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page; an exception there fails the test.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        self.try_evaluate(expression)
            .unwrap_or_else(|answer| panic!("{expression}: {answer}"))
    }

    fn try_evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked);
        if answer["exceptionDetails"].is_null() {
            Ok(answer["result"]["value"].clone())
        } else {
            Err(answer)
        }
    }

    /// Polls until the expression is true.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let pause = Duration::from_millis(50);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            // While a page is being opened it has no elements yet.
            if self.try_evaluate(expression) == Ok(json!(true)) {
                return;
            }
            thread::sleep(pause);
        }
        let page = self.evaluate("document.body.innerText");
        panic!("waited in vain for {expression} in\n{page}");
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut raw = message.to_string().into_bytes();
        raw.push(0);
        self.commands.write_all(&raw).expect("the browser listens");
        loop {
            let answer = self.answers.recv_timeout(PATIENCE);
            let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close it takes its own children along; killed it would leave them.
        let mut raw = json!({ "id": 0, "method": "Browser.close" })
            .to_string()
            .into_bytes();
        raw.push(0);
        let _ = self.commands.write_all(&raw);
        for _ in 0..200 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
