//! Too many clients, and clients that take no replies.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use crate::process::{PATIENCE, Service};
use crate::raw::{Raw, pair};
use crate::scene::eventually;

const CROWD: u64 = 10_000;
/// Connections beyond the limit.
const MORE: usize = 300;
/// Files of this process beside the crowd: other tests run in it.
const ELSE: u64 = 2_000;
const REFUSED: &str = "-ERR max number of clients reached\r\n";
/// Two buffers of 16 KiB, the task and the runtime's books.
const BYTES_EACH: f64 = 64.0 * 1024.0;

/// A client that finds no room to wait to be accepted tries again after a second.
const TURNED_AWAY: Duration = Duration::from_millis(900);

/// How many connections this process may make.
fn crowd() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = CROWD + ELSE;
    let may = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    if limit.current.is_some_and(|current| current < may) {
        let raised = Rlimit {
            current: Some(may),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("a soft limit may be raised to the hard one");
    }
    let crowd = may.saturating_sub(ELSE);
    if crowd < CROWD {
        println!("SCALED DOWN: {may} open files allow a crowd of {crowd}, not {CROWD}");
    }
    assert!(crowd >= 500, "{may} open files are too few for this test");
    crowd
}

fn connect(addr: &str) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// What is said to a client that comes too late, to its end.
fn turned_away(addr: &str) -> String {
    let mut heard = String::new();
    match connect(addr).read_to_string(&mut heard) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => heard,
    }
}

fn resident(service: &Service) -> f64 {
    service.metric("process_resident_memory_bytes", &[])
}

#[test]
fn ten_thousand_clients_are_served_and_those_beyond_are_refused_in_redis_own_words() {
    let crowd = crowd();
    let service = Service::start(&[&format!("resp.max_connections={crowd}")]);
    let before = resident(&service);
    let mut late = 0;
    let connected = (0..crowd).map(|_| {
        let begun = Instant::now();
        let client = connect(&service.resp);
        late += usize::from(begun.elapsed() > TURNED_AWAY);
        client
    });
    let mut clients: Vec<TcpStream> = connected.collect();
    assert!(late < 10, "{late} found no room to wait in");
    for client in &mut clients {
        client.write_all(b"PING\r\n").expect("it is taken");
    }
    for (n, client) in clients.iter_mut().enumerate() {
        let mut pong = [0; 7];
        client
            .read_exact(&mut pong)
            .unwrap_or_else(|error| panic!("client {n}: {error}"));
        assert_eq!(&pong, b"+PONG\r\n");
    }
    for _ in 0..MORE {
        assert_eq!(turned_away(&service.resp), REFUSED);
    }
    assert_eq!(service.get("/healthz").status, 200);
    let last = clients.last_mut().expect("there are some");
    last.write_all(b"SET k v\r\n").expect("it is taken");
    let mut ok = [0; 5];
    last.read_exact(&mut ok).expect("it is served");
    assert_eq!(&ok, b"+OK\r\n");
    let each = (resident(&service) - before) / crowd as f64;
    println!(
        "figure: {crowd} clients served, {MORE} refused, {:.1} KiB each",
        each / 1024.0
    );
    assert!(each < BYTES_EACH, "{each} bytes for a client");
    clients.truncate(clients.len() - 100);
    eventually("there is room again", || {
        let mut client = connect(&service.resp);
        let mut said = [0; 5];
        let asked = client.write_all(b"PING\r\n").is_ok();
        asked && client.read_exact(&mut said).is_ok() && &said == b"+PONG"
    });
}

#[test]
fn with_too_few_files_fewer_clients_are_let_in_and_the_probes_are_answered() {
    let service = Service::start_under("-n 200", &[]);
    let clients: Vec<TcpStream> = (0..150).map(|_| connect(&service.resp)).collect();
    eventually("the rest is refused", || {
        turned_away(&service.resp) == REFUSED
    });
    assert_eq!(service.get("/healthz").status, 200);
    assert!(service.log().contains("too few files"), "{}", service.log());
    drop(clients);
    eventually("there is room again", || {
        let mut raw = Raw::to(&service.resp);
        raw.try_send(b"PING\r\n").is_ok() && raw.try_read().is_ok_and(|said| said == b"+PONG\r\n")
    });
}

#[test]
fn a_limit_of_files_that_may_be_raised_is_raised_to_what_the_clients_need() {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let clients = (hard / 2).min(3_000);
    let settings = format!("resp.max_connections={clients}");
    let service = Service::start_under("-Sn 200", &[&settings]);
    let may = service.metric("process_max_fds", &[]) as u64;
    assert!(may > clients, "{may}");
    assert!(
        !service.log().contains("too few files"),
        "{}",
        service.log()
    );
}

#[test]
fn a_subscriber_that_takes_no_messages_is_left_and_costs_no_memory() {
    let Some((redis, service)) = pair(&["resp.slow_reader_timeout=300ms"]) else {
        return;
    };
    let before = resident(&service);
    let mut slow = Raw::to(&service.resp);
    slow.line("SUBSCRIBE c");
    let mut publisher = Raw::to_redis(&redis);
    let message = vec![b'x'; 1 << 20];
    let mut told = 0;
    eventually("it is left", || {
        publisher.send(&[b"PUBLISH", b"c", &message]);
        told += 1;
        publisher.read() == ":0\r\n"
    });
    let after = resident(&service);
    println!("figure: a deaf subscriber is left after {told} MiB");
    assert!(told < 200, "{told} MiB were published to it");
    assert!(after - before < 64e6, "{before} bytes, then {after}");
    let mut other = Raw::to(&service.resp);
    assert_eq!(other.line("PING"), "+PONG\r\n");
}
