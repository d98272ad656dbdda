//! GETs that L1 answers, the short way: no key is made, nothing is copied but the value from L1 into the reply.

use std::io;

use bytes::{Buf, Bytes};
use forewarm_application::engine::Level;
use forewarm_application::metrics::SAMPLED_ONE_IN;
use forewarm_domain::{Key, KeyRef};
use tokio::time::Instant;

use super::connection::{Connection, FLUSH_BYTES, Flow, Socket};
use super::reads::look;
use super::reply::bulk;

/// Values up to this long are written into the reply where they lie in L1; longer ones are taken out first.
const COPIED_BYTES: usize = 4_096;

/// Where the key of `*2 $3 GET $n key` lies and where the command ends, if it is the whole of one.
#[inline]
pub(super) fn get_request(input: &[u8]) -> Option<(&[u8], usize)> {
    const HEAD: usize = b"*2\r\n$3\r\nGET\r\n$".len();
    let (head, rest) = input.split_first_chunk::<HEAD>()?;
    // Arrays of known lengths are compared as numbers.
    let [a, b, c, d, e, f, g, h, name @ .., x, y, z] = *head;
    let is_get = [a, b, c, d, e, f, g, h] == *b"*2\r\n$3\r\n"
        && [x, y, z] == *b"\r\n$"
        && name.eq_ignore_ascii_case(b"GET");
    if !is_get {
        return None;
    }
    // Longer keys go the long way.
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit());
    let (mut length, mut at) = (0, 0);
    for digit in digits {
        length = length * 10 + usize::from(digit - b'0');
        at += 1;
    }
    if at == 0 || rest.get(at..at + 2)? != b"\r\n" || (at > 1 && rest[0] == b'0') {
        return None;
    }
    let key = rest.get(at + 2..at + 2 + length)?;
    let end = at + 2 + length + 2;
    (rest.len() >= end).then_some((key, HEAD + end))
}

impl<S: Socket> Connection<'_, S> {
    /// Answers the GETs at the head of the input.
    pub(super) async fn answer_hits(&mut self) -> io::Result<Flow> {
        while let Some(missed) = self.hits() {
            let flow = self.misses(missed).await?;
            if flow == Flow::Close {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    /// Answers GETs until one misses, which is returned, or something else comes.
    fn hits(&mut self) -> Option<Key> {
        let port = self.port;
        let now = port.core.clock.now();
        let mut at = 0;
        let mut missed = None;
        while self.out.len() <= FLUSH_BYTES
            && let Some((name, length)) = get_request(&self.input[at..])
        {
            if !port.core.may_cache_bytes(name) {
                break;
            }
            at += length;
            let name = KeyRef {
                bytes: name,
                database: self.state.database,
            };
            let chain = port.core.codec.chain_of(name.bytes);
            self.turn = self.turn.wrapping_add(1);
            let timed = self.turn.is_multiple_of(SAMPLED_ONE_IN);
            let started = timed.then(Instant::now);
            let learns = || port.pace.learns(now);
            let out = &mut self.out;
            let write = |value: &Bytes| {
                // L1 holds its breath for a short one only.
                if value.len() > COPIED_BYTES {
                    return Some(value.clone());
                }
                bulk(out, value);
                None
            };
            let hit = port.core.engine.hit_plain(name, chain, now, learns, write);
            if let Some(long) = hit {
                if let Some(value) = long {
                    bulk(&mut self.out, &value);
                }
                if let Some(started) = started {
                    let took = started.elapsed();
                    port.core.metrics.lookup_duration(chain, Level::L1, took);
                }
                continue;
            }
            let key = name.to_key(chain);
            match look(port, &key, now) {
                Some(found) => bulk(&mut self.out, &found.value),
                None => {
                    missed = Some(key);
                    break;
                }
            }
        }
        self.input.advance(at);
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_plain_get_takes_the_short_way() {
        let whole = b"*2\r\n$3\r\nGet\r\n$5\r\nprice\r\n*1\r\n";
        assert_eq!(get_request(whole), Some((&b"price"[..], whole.len() - 4)));
        for end in 0..whole.len() - 4 {
            assert_eq!(get_request(&whole[..end]), None, "{end} bytes");
        }
        for other in [
            "*3\r\n$3\r\nGET\r\n$5\r\nprice\r\n",
            "*2\r\n$3\r\nTTL\r\n$5\r\nprice\r\n",
            "*2\r\n$3\r\nGET\r\n$05\r\nprice\r\n",
            "*2\r\n$3\r\nGET\r\n$-1\r\nprice\r\n",
            "*2\r\n$3\r\nGET\r\n$\r\nprice\r\n",
            "*2\r\n$3\r\nGET\r\n$99999\r\nprice\r\n",
        ] {
            assert_eq!(get_request(other.as_bytes()), None, "{other:?}");
        }
        let empty = b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
        assert_eq!(get_request(empty), Some((&b""[..], empty.len())));
    }
}
