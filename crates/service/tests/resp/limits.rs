//! What a client may not do, and what happens then.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::process::{Service, command, wait_for};
use crate::raw::{Raw, encoded, pair};

fn memory_kib(service: &Service) -> f64 {
    service.metric("process_resident_memory_bytes", &[]) / 1024.0
}

#[test]
fn what_is_no_request_gets_the_reason_and_ends_only_its_own_connection() {
    let service = Service::start(&["resp.max_request_bytes=64KiB"]);
    let mut bystander = Raw::to(&service.resp);
    for (bytes, reason) in [
        (&b"*1\r\n$65537\r\n"[..], "invalid bulk length"),
        (b"*1\r\n$-5\r\n", "invalid bulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*1\r\n*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*2\r\n$3\r\nGET\r\n+k\r\n", "expected '$', got '+'"),
        (b"SET k \"open\r\n", "unbalanced quotes in request"),
        (&[b'x'; 70_000], "too big inline request"),
    ] {
        let mut raw = Raw::to(&service.resp);
        // Commands before it are answered.
        raw.send_bytes(b"PING\r\n");
        let _ = raw.try_send(bytes);
        let expected = format!("+PONG\r\n-ERR Protocol error: {reason}\r\n");
        assert_eq!(raw.rest(), expected);
        assert_eq!(bystander.line("PING"), "+PONG\r\n");
    }
}

#[test]
fn a_web_page_that_makes_a_browser_speak_to_it_gets_nothing_done() {
    let service = Service::start(&[]);
    for request in [
        "POST / HTTP/1.1\r\nSET k v\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:6380\r\n\r\nSET k v\r\n",
    ] {
        let mut raw = Raw::to(&service.resp);
        raw.send_bytes(request.as_bytes());
        assert!(!raw.rest().contains("+OK"));
    }
    assert_eq!(Raw::to(&service.resp).line("GET k"), "$-1\r\n");
}

#[test]
fn one_client_too_many_is_told_so_and_the_others_go_on() {
    let service = Service::start(&["resp.max_connections=2"]);
    let (mut one, two) = (Raw::to(&service.resp), Raw::to(&service.resp));
    one.line("PING");
    wait_for("both to be counted", &service, |it| {
        Raw::to(&it.resp).rest() == "-ERR max number of clients reached\r\n"
    });
    assert_eq!(one.line("PING"), "+PONG\r\n");
    drop(two);
    wait_for("room", &service, |it| {
        let mut raw = Raw::to(&it.resp);
        raw.try_send(b"PING\r\n").is_ok() && raw.try_read().is_ok_and(|reply| reply == b"+PONG\r\n")
    });
}

#[test]
fn half_a_command_is_waited_for_only_so_long_and_an_idle_client_for_ever() {
    let service = Service::start(&["resp.half_command_timeout=150ms"]);
    let mut idle = Raw::to(&service.resp);
    idle.line("PING");
    let mut half = Raw::to(&service.resp);
    half.send_bytes(b"*2\r\n$3\r\nGET\r\n$5\r\nab");
    assert_eq!(half.rest(), "", "closed without a reply");
    assert_eq!(idle.line("PING"), "+PONG\r\n");
}

#[test]
fn a_client_that_takes_no_replies_is_left_and_costs_no_memory() {
    let Some((_redis, service)) = pair(&["resp.slow_reader_timeout=300ms"]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    let value = vec![b'x'; 1 << 20];
    raw.send(&[b"SET", b"big", &value]);
    assert_eq!(raw.read(), "+OK\r\n");
    raw.line("HSET h a 1");
    raw.send(&[b"HSET", b"h", b"f", &value]);
    raw.read();
    let before = memory_kib(&service);
    for command in [encoded(&[b"GET", b"big"]), encoded(&[b"HGET", b"h", b"f"])] {
        let mut slow = TcpStream::connect(&service.resp).expect("it listens");
        // Two hundred times a megabyte, if it were kept for it.
        let _ = slow.write_all(&command.repeat(200));
        let mut clients = Raw::to(&service.resp);
        wait_for("the slow client to be left", &mut clients, |clients| {
            clients
                .line("INFO forewarm")
                .contains("forewarm_clients:2\r\n")
        });
        slow.set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        let mut rest = Vec::new();
        let _ = slow.read_to_end(&mut rest);
        assert!(rest.len() < 100 << 20, "everything was delivered");
    }
    let after = memory_kib(&service);
    assert!(
        after - before < 64.0 * 1024.0,
        "{before} KiB, then {after} KiB"
    );
}

#[test]
fn an_announced_length_takes_no_memory_until_it_arrives() {
    let service = Service::start(&[]);
    let before = memory_kib(&service);
    let clients: Vec<Raw> = (0..50)
        .map(|_| {
            let mut raw = Raw::to(&service.resp);
            raw.send_bytes(b"*1000000\r\n$60000000\r\nabc");
            raw
        })
        .collect();
    let mut other = Raw::to(&service.resp);
    assert_eq!(other.line("PING"), "+PONG\r\n");
    let after = memory_kib(&service);
    assert!(
        after - before < 32.0 * 1024.0,
        "{before} KiB, then {after} KiB"
    );
    drop(clients);
}

#[test]
fn beyond_this_machine_it_listens_only_with_a_password() {
    let output = command(&["config", "check", "--set", "resp.addr=0.0.0.0:0"]).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("`resp.password` is not set") || text.contains("resp.password"),
        "{text}"
    );
    for setting in ["resp.password=x", "resp.allow_unauthenticated=true"] {
        let output = command(&[
            "config",
            "check",
            "--set",
            "resp.addr=0.0.0.0:0",
            "--set",
            setting,
        ])
        .output()
        .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{setting}");
    }
}

#[test]
fn a_unix_socket_speaks_the_same_and_a_dead_one_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("forewarm.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "a file that nobody listens on");
    let mut service = Service::start(&[&format!("resp.unix_socket={}", path.display())]);
    let mut socket = UnixStream::connect(&path).expect("it listens");
    socket
        .write_all(b"SET k v\r\nGET k\r\nQUIT\r\n")
        .expect("it is taken");
    let mut heard = String::new();
    socket.read_to_string(&mut heard).expect("replies");
    assert_eq!(heard, "+OK\r\n$1\r\nv\r\n+OK\r\n");
    assert_eq!(service.terminate(), Some(0));
    assert!(!path.exists(), "its file is left behind");
}

#[test]
fn told_to_stop_it_answers_what_is_under_way_and_leaves_the_idle() {
    let Some((redis, mut service)) = pair(&[]) else {
        return;
    };
    let idle = Raw::to(&service.resp);
    let mut raw = Raw::to(&service.resp);
    raw.line("PING");
    raw.send(&[b"BLPOP", b"queue", b"0"]);
    wait_for("the client to be blocked", &(), |_| {
        let info = redis.command(&["INFO", "clients"]).expect("it answers");
        info.contains("blocked_clients:1\r\n")
    });
    service.signal("-TERM");
    wait_for("it to stop listening", &service, |it| {
        TcpStream::connect(&it.resp).is_err()
    });
    redis
        .command(&["RPUSH", "queue", "job"])
        .expect("it answers");
    assert_eq!(raw.rest(), "*2\r\n$5\r\nqueue\r\n$3\r\njob\r\n");
    assert_eq!(service.ended().code(), Some(0));
    drop(idle);
}
