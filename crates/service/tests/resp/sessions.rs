//! What a client says about its connection, and transactions on a pinned one.

use crate::process::Service;
use crate::raw::{Raw, pair};

#[test]
fn without_the_password_nothing_is_answered_and_with_it_everything() {
    let service = Service::start(&["resp.password=sesame"]);
    let mut raw = Raw::to(&service.resp);
    for line in ["GET k", "PING", "SET k v", "FOREWARM.STATS", "CLIENT ID"] {
        assert_eq!(
            raw.line(line),
            "-NOAUTH Authentication required.\r\n",
            "{line}"
        );
    }
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(raw.line("AUTH wrong"), wrong);
    assert_eq!(raw.line("AUTH somebody sesame"), wrong);
    assert!(
        raw.line("HELLO 3")
            .starts_with("-NOAUTH HELLO must be called")
    );
    assert_eq!(raw.line("HELLO 3 AUTH default wrong"), wrong);
    assert_eq!(raw.line("AUTH sesame"), "+OK\r\n");
    assert_eq!(raw.line("GET k"), "$-1\r\n");
    assert_eq!(raw.line("RESET"), "+RESET\r\n");
    assert_eq!(raw.line("GET k"), "-NOAUTH Authentication required.\r\n");
    assert!(
        raw.line("HELLO 3 AUTH default sesame")
            .starts_with("%7\r\n")
    );
    assert_eq!(raw.line("GET k"), "_\r\n");
    let mut stranger = Raw::to(&service.resp);
    stranger.send_bytes(b"*1\r\n$100000\r\n");
    let heard = stranger.rest();
    assert_eq!(
        heard,
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
    assert!(!service.log().contains("sesame"));
}

#[test]
fn without_a_password_auth_says_so_as_redis_does() {
    let service = Service::start(&[]);
    let mut raw = Raw::to(&service.resp);
    assert!(
        raw.line("AUTH x")
            .starts_with("-ERR AUTH <password> called without any password")
    );
    assert_eq!(raw.line("AUTH default x"), "+OK\r\n");
}

#[test]
fn a_greeting_switches_the_protocol_back_and_forth() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("HSET h f v");
    assert_eq!(raw.line("HGETALL h"), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_eq!(
        raw.line("HELLO 4"),
        "-NOPROTO unsupported protocol version\r\n"
    );
    assert!(raw.line("HELLO 3 SETNAME me").starts_with("%7\r\n"));
    assert_eq!(raw.line("HGETALL h"), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_eq!(raw.line("CLIENT GETNAME"), "$2\r\nme\r\n");
    let id = raw.line("CLIENT ID");
    assert!(raw.line("HELLO").contains(&format!("$2\r\nid\r\n{id}")));
    assert!(raw.line("HELLO 2").starts_with("*14\r\n"));
    assert_eq!(raw.line("HGETALL h"), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert!(
        raw.line("HELLO 2 NONSENSE")
            .starts_with("-ERR Syntax error in HELLO option")
    );
}

#[test]
fn what_clients_say_at_connect_is_answered() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    assert_eq!(raw.line("CLIENT SETINFO LIB-NAME redis-py"), "+OK\r\n");
    assert_eq!(raw.line("CLIENT SETINFO LIB-VER 5.0"), "+OK\r\n");
    assert_eq!(raw.line("CLIENT GETNAME"), "$-1\r\n");
    assert_eq!(raw.line("CLIENT SETNAME worker-1"), "+OK\r\n");
    assert!(
        raw.call(&["CLIENT", "SETNAME", "a b"])
            .starts_with("-ERR Client names cannot")
    );
    let info = raw.line("CLIENT INFO");
    for part in ["name=worker-1", "lib-name=redis-py", "lib-ver=5.0", "db=0"] {
        assert!(info.contains(part), "{info}");
    }
    assert!(raw.line("COMMAND COUNT").starts_with(':'));
    assert_eq!(
        raw.line("CONFIG GET appendonly"),
        "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"
    );
    for refused in ["MONITOR", "SYNC", "SHUTDOWN", "CLIENT TRACKING ON"] {
        assert!(
            raw.line(refused)
                .contains("is not available through Forewarm"),
            "{refused}"
        );
    }
    // The client's name is the one that L2 shows.
    raw.line("SET k v");
    assert!(
        redis
            .command(&["CLIENT", "LIST"])
            .expect("it answers")
            .contains("name=worker-1")
    );
    assert_eq!(raw.line("QUIT"), "+OK\r\n");
    assert_eq!(raw.rest(), "");
}

#[test]
fn a_transaction_is_one_step_and_l1_forgets_what_it_wrote() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let (mut one, mut other) = (Raw::to(&service.resp), Raw::to(&service.resp));
    one.line("MSET a 1 b 1");
    for key in ["a", "b"] {
        other.call(&["GET", key]);
    }
    assert_eq!(one.line("MULTI"), "+OK\r\n");
    for queued in ["SET a 2", "GET a", "INCR b", "PING", "ECHO x"] {
        assert_eq!(one.line(queued), "+QUEUED\r\n", "{queued}");
    }
    assert_eq!(other.line("MGET a b"), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    assert_eq!(
        one.line("EXEC"),
        "*5\r\n+OK\r\n$1\r\n2\r\n:2\r\n+PONG\r\n$1\r\nx\r\n"
    );
    assert_eq!(other.line("MGET a b"), "*2\r\n$1\r\n2\r\n$1\r\n2\r\n");
    one.line("MULTI");
    one.line("FLUSHALL");
    one.line("EXEC");
    assert_eq!(other.line("GET a"), "$-1\r\n");
}

#[test]
fn after_watch_reads_are_l2s_own_so_that_nothing_is_built_on_an_old_value() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("SET balance 10");
    raw.line("GET balance");
    // Behind Forewarm's back: L1 may still say 10.
    redis
        .command(&["SET", "balance", "99"])
        .expect("it answers");
    raw.line("WATCH balance");
    assert_eq!(raw.line("GET balance"), "$2\r\n99\r\n");
    raw.line("MULTI");
    raw.line("SET balance 100");
    assert_eq!(raw.line("EXEC"), "*1\r\n+OK\r\n");
    raw.line("WATCH balance");
    redis.command(&["SET", "balance", "7"]).expect("it answers");
    raw.line("MULTI");
    raw.line("SET balance 8");
    assert_eq!(raw.line("EXEC"), "*-1\r\n", "somebody else wrote meanwhile");
}

#[test]
fn a_transaction_whose_connection_to_l2_is_lost_ends_the_clients_too() {
    let Some((redis, service)) = pair(&[]) else {
        return;
    };
    let mut raw = Raw::to(&service.resp);
    raw.line("CLIENT SETNAME doomed");
    raw.line("MULTI");
    raw.line("SET a 1");
    redis
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .expect("it answers");
    // Not carried out singly as if there were no MULTI.
    let _ = raw.try_send(b"SET b 2\r\nEXEC\r\n");
    assert!(!raw.rest().contains("+OK"));
    assert_eq!(
        redis.command(&["EXISTS", "a", "b"]).expect("it answers"),
        ":0\r\n"
    );
}

#[test]
fn a_database_chosen_inside_a_transaction_holds_once_that_is_carried_out() {
    let Some((_redis, service)) = pair(&[]) else {
        return;
    };
    let (mut raw, mut other) = (Raw::to(&service.resp), Raw::to(&service.resp));
    other.line("SELECT 1");
    other.line("SET k old");
    other.line("GET k");
    for (end, database) in [("DISCARD", "zero"), ("EXEC", "one")] {
        raw.line("SET k zero");
        for line in ["MULTI", "SELECT 1", "SET k one", end] {
            raw.line(line);
        }
        let expected = format!("${}\r\n{database}\r\n", database.len());
        assert_eq!(raw.line("GET k"), expected, "after {end}");
    }
    assert_eq!(other.line("GET k"), "$3\r\none\r\n");
}

#[test]
fn databases_are_the_ones_of_l2_and_pairs_live_in_the_urls() {
    let Some((redis, _)) = pair(&[]) else { return };
    let url = format!("l2.redis.url={}/3", redis.url());
    let service = Service::start(&["l2.backend=redis", &url]);
    let mut raw = Raw::to(&service.resp);
    raw.line("SET k three");
    assert_eq!(raw.line("SELECT 0"), "+OK\r\n");
    assert_eq!(raw.line("GET k"), "$-1\r\n");
    assert_eq!(raw.line("SELECT 3"), "+OK\r\n");
    assert_eq!(raw.line("GET k"), "$5\r\nthree\r\n");
    assert_eq!(raw.line("SELECT 16"), "-ERR DB index is out of range\r\n");
    assert_eq!(raw.line("GET k"), "$5\r\nthree\r\n");
}
