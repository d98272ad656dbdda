//! The link against a server that says what the test tells it to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forewarm_application::metrics::Invalidation;
use forewarm_infrastructure::l2::RedisConfig;
use forewarm_infrastructure::tracking_link::{LinkConfig, LinkEvents, Preference, TrackingLink};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Opened(Invalidation),
    Changed(String, Option<u16>),
    AllChanged,
    Proven(Instant),
    Lost(String),
    Lapsed,
    Unsupported(String),
}

/// What the link told, in order.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Event>>);

impl Told {
    fn note(&self, event: Event) {
        self.0.lock().push(event);
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().clone()
    }

    /// Waits until something like this was told.
    async fn until(&self, what: &str, wanted: impl Fn(&Event) -> bool) {
        for _ in 0..2_000 {
            if self.all().iter().any(&wanted) {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("in vain: {what}, told: {:?}", self.all());
    }
}

impl LinkEvents for Told {
    fn opened(&self, how: Invalidation) {
        self.note(Event::Opened(how));
    }
    fn changed(&self, key: &Bytes, database: Option<u16>) {
        let key = String::from_utf8_lossy(key).into_owned();
        self.note(Event::Changed(key, database));
    }
    fn all_changed(&self) {
        self.note(Event::AllChanged);
    }
    fn proven(&self, asked: Instant) {
        self.note(Event::Proven(asked));
    }
    fn lost(&self, reason: &str) {
        self.note(Event::Lost(reason.to_owned()));
    }
    fn lapsed(&self) {
        self.note(Event::Lapsed);
    }
    fn unsupported(&self, reason: &str) {
        self.note(Event::Unsupported(reason.to_owned()));
    }
}

/// The server's side of one link.
struct Conversation {
    stream: BufReader<TcpStream>,
}

impl Conversation {
    /// The next command, as one line.
    async fn heard(&mut self) -> String {
        let parts: usize = self.line().await[1..].parse().expect("a count");
        let mut words = Vec::new();
        for _ in 0..parts {
            let bytes: usize = self.line().await[1..].parse().expect("a length");
            let mut word = vec![0; bytes + 2];
            self.stream.read_exact(&mut word).await.expect("it speaks");
            words.push(String::from_utf8_lossy(&word[..bytes]).into_owned());
        }
        words.join(" ")
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        let read = timeout(Duration::from_secs(10), read).await;
        read.expect("it speaks").expect("it is open");
        line.trim_end().to_owned()
    }

    async fn say(&mut self, text: &str) {
        let said = self.stream.write_all(text.as_bytes()).await;
        said.expect("it listens");
    }

    /// Greets, and agrees to track; what was asked for.
    async fn open(listener: &TcpListener) -> (Self, String) {
        let accepted = timeout(Duration::from_secs(10), listener.accept()).await;
        let (stream, _) = accepted.expect("it connects").expect("it connects");
        let mut conversation = Self {
            stream: BufReader::new(stream),
        };
        assert!(conversation.heard().await.starts_with("HELLO 3"));
        conversation.say("%1\r\n$5\r\nproto\r\n:3\r\n").await;
        let asked = conversation.heard().await;
        conversation.say("+OK\r\n").await;
        (conversation, asked)
    }
}

async fn start(bound: Duration) -> (TcpListener, TrackingLink, Arc<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    let mut redis = RedisConfig::new(format!("redis://{addr}/3"));
    redis.password = Some("s3cret".to_owned());
    redis.connect_timeout = Duration::from_millis(200);
    redis.reconnect_max = Duration::from_millis(100);
    let config = LinkConfig {
        redis,
        preference: Preference::Auto,
        prefixes: vec!["price:eth:".to_owned(), "price:".to_owned()],
        max_staleness: bound,
        ping_interval: Duration::from_millis(20),
    };
    let told = Arc::new(Told::default());
    let link = TrackingLink::start(config, None, Arc::clone(&told) as _);
    (listener, link.expect("it can work"), told)
}

const LONG: Duration = Duration::from_secs(60);

fn push(keys: &[&str]) -> String {
    let names: String = keys
        .iter()
        .map(|key| format!("${}\r\n{key}\r\n", key.len()))
        .collect();
    format!(">2\r\n$10\r\ninvalidate\r\n*{}\r\n{names}", keys.len())
}

fn is_proof(event: &Event) -> bool {
    matches!(event, Event::Proven(_))
}

fn is_lost(event: &Event) -> bool {
    matches!(event, Event::Lost(_))
}

#[tokio::test]
async fn a_proof_counts_from_its_question_and_comes_after_what_was_said_before_the_answer() {
    let (listener, _link, told) = start(LONG).await;
    let (mut server, asked) = Conversation::open(&listener).await;
    assert_eq!(asked, "CLIENT TRACKING ON BCAST PREFIX price:");
    assert_eq!(server.heard().await, "PING");
    let heard = Instant::now();
    server.say(&push(&["price:a", "price:b"])).await;
    server.say(">2\r\n$10\r\ninvalidate\r\n_\r\n").await;
    server
        .say(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n")
        .await;
    // Not asked again meanwhile: the next thing heard is the next question.
    sleep(Duration::from_millis(100)).await;
    // In halves, as a network may.
    server.say("+PO").await;
    sleep(Duration::from_millis(20)).await;
    server.say("NG\r\n").await;
    assert_eq!(server.heard().await, "PING");
    let told = told.all();
    let shown: Vec<_> = told.iter().filter(|event| !is_proof(event)).collect();
    let changed = |key: &str| Event::Changed(key.to_owned(), None);
    assert_eq!(
        shown,
        [
            &Event::Opened(Invalidation::Tracking),
            &changed("price:a"),
            &changed("price:b"),
            &Event::AllChanged
        ]
    );
    // The first proof is that of the opening.
    assert_eq!(told.iter().filter(|event| is_proof(event)).count(), 2);
    let Some(Event::Proven(at)) = told.last() else {
        panic!("the answer came last: {told:?}")
    };
    assert!(*at <= heard, "it counts from the answer");
}

#[tokio::test]
async fn a_server_busy_with_a_script_proves_nothing_and_keeps_its_link() {
    let (listener, _link, told) = start(LONG).await;
    let (mut server, _) = Conversation::open(&listener).await;
    for _ in 0..3 {
        assert_eq!(server.heard().await, "PING");
        server
            .say("-BUSY Redis is busy running a script.\r\n")
            .await;
    }
    assert_eq!(server.heard().await, "PING");
    let proofs = |told: &Told| told.all().iter().filter(|event| is_proof(event)).count();
    assert_eq!(proofs(&told), 1, "{:?}", told.all());
    server.say("+PONG\r\n").await;
    assert_eq!(server.heard().await, "PING");
    assert_eq!(proofs(&told), 2);
    assert!(!told.all().iter().any(is_lost), "{:?}", told.all());
}

#[tokio::test]
async fn nonsense_and_endless_messages_end_the_session_and_the_next_one_works() {
    let (listener, _link, told) = start(LONG).await;
    let endless = format!("${}\r\n{}", 20 << 20, "x".repeat(9 << 20));
    for (nonsense, reason) in [
        ("hello\r\n", "unreadable"),
        ("+OK\r\n", "OK"),
        (endless.as_str(), "a message of more than"),
    ] {
        let (mut server, _) = Conversation::open(&listener).await;
        let _ = server.stream.write_all(nonsense.as_bytes()).await;
        told.until(
            reason,
            |event| matches!(event, Event::Lost(why) if why.contains(reason)),
        )
        .await;
    }
    let before = told.all().len();
    let (mut server, _) = Conversation::open(&listener).await;
    server.say(&push(&["price:a"])).await;
    told.until("a change", |event| matches!(event, Event::Changed(..)))
        .await;
    assert!(told.all()[before..].contains(&Event::Opened(Invalidation::Tracking)));
}

#[tokio::test]
async fn the_bound_passes_while_the_server_is_away_and_is_told_once() {
    let bound = Duration::from_millis(400);
    let (listener, _link, told) = start(bound).await;
    let (mut server, _) = Conversation::open(&listener).await;
    assert_eq!(server.heard().await, "PING");
    server.say("+PONG\r\n").await;
    assert_eq!(server.heard().await, "PING");
    drop(listener);
    drop(server);
    told.until("the loss", is_lost).await;
    told.until("the lapse", |event| *event == Event::Lapsed)
        .await;
    let attempts = |told: &Told| told.all().iter().filter(|event| is_lost(event)).count();
    let before = attempts(&told);
    assert!(
        before > 1,
        "it was tried in vain meanwhile: {:?}",
        told.all()
    );
    while attempts(&told) < before + 3 {
        sleep(Duration::from_millis(10)).await;
    }
    let lapses = told
        .all()
        .iter()
        .filter(|event| **event == Event::Lapsed)
        .count();
    assert_eq!(lapses, 1);
    let text = format!("{:?}", told.all());
    assert!(
        text.contains("refused") && !text.contains("s3cret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_link_that_is_open_and_silent_lapses_and_is_made_anew() {
    let (listener, _link, told) = start(Duration::from_millis(200)).await;
    let (mut server, _) = Conversation::open(&listener).await;
    assert_eq!(server.heard().await, "PING");
    let (_server, _) = Conversation::open(&listener).await;
    told.until("the lapse", |event| *event == Event::Lapsed)
        .await;
    let told = told.all();
    let lost = told.iter().position(is_lost).expect("it was lost");
    assert_eq!(told[lost + 1], Event::Lapsed, "{told:?}");
    assert!(matches!(&told[lost], Event::Lost(why) if why.contains("no proof of life")));
}
