//! The settings of the Redis port.

use std::path::PathBuf;

use super::section::section;
use super::tls::ListenerTls;
use super::units::{Secret, Size, Span};

section! {
    /// The Redis protocol.
    pub struct Resp {
        /// Where it listens; port 0 takes a free one.
        addr: String = "127.0.0.1:6380".to_owned();
        /// A Unix socket to listen on as well. A file that nobody listens on is replaced.
        unix_socket: Option<PathBuf> = None;
        /// What clients must say with AUTH, as user `default`; unset = nothing. It is Forewarm's own:
        /// L2 knows only the password of `l2.redis`.
        password: Option<Secret> = None;
        /// A file that holds the password (surrounding white space is ignored).
        password_file: Option<PathBuf> = None;
        /// Allows an address beyond this machine without a password. Whoever reaches the port may
        /// then do in L2 whatever `l2.redis` may.
        allow_unauthenticated: bool = false;
        /// Most connections open at once; past it new ones get an error and are closed. Fewer, with a
        /// warning, where the process may open too few files: each takes one, and with the Redis
        /// backend one more for a connection to L2 of its own. The limit is raised as far as the
        /// system lets it be.
        max_connections: usize = 10_000, 1 => 1_000_000;
        /// Largest argument, and largest command as a whole; past it an error, and the connection
        /// is closed.
        max_request_bytes: Size = Size::mib(64), Size::kib(16) => Size(512 << 20);
        /// Threads that serve connections; 0 = one for every two processors, at most four. Each has a connection
        /// to L2 besides the pool's.
        threads: usize = 0, 0 => 64;
        /// How long a command that has begun may take to arrive.
        half_command_timeout: Span = Span::secs(30), Span::millis(10) => Span::secs(3_600);
        /// How long a client may take none of its replies; then it is disconnected.
        slow_reader_timeout: Span = Span::secs(30), Span::millis(10) => Span::secs(3_600);
        /// How long L2 may take for a command that is passed on. Commands that wait by themselves
        /// (`BLPOP`, `XREAD`, scripts) have no limit.
        command_timeout: Span = Span::secs(5), Span::millis(10) => Span::secs(3_600);
    }
    sections {
        /// TLS on the TCP port; the Unix socket goes without.
        tls: ListenerTls;
    }
}
