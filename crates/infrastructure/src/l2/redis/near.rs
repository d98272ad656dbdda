//! Reads over a connection of the thread that makes them.
//!
//! The pool's connections live on the service's runtime. Whoever reads on another thread wakes a task there,
//! which wakes one here when the answer has come: two wake-ups across threads, for which the system takes
//! more than for the read. A thread that reads much keeps a connection of its own instead, driven by its
//! own runtime. What its tasks ask for in one turn leaves in one write.
//!
//! It is a short cut and promises nothing: while it does not stand, the pool answers, in the pool's
//! words.

mod answers;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use forewarm_application::ports::SharedCacheError;
use forewarm_domain::Key;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::raw::Greeting;
use super::{Read, RedisStore};
use crate::tls::Link;
use answers::{answered, write_question};

/// Room for what one read brings.
const READ_BYTES: usize = 16 << 10;
/// A buffer that has grown past this is given back once it is empty.
const KEEP_BYTES: usize = 256 << 10;

thread_local! {
    /// This thread's connection, where it keeps one.
    static HERE: RefCell<Option<Arc<Near>>> = const { RefCell::new(None) };
}

/// What was asked and not answered yet.
struct Asked {
    at: Instant,
    keys: usize,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Vec<Read>, SharedCacheError>;

/// One thread's connection.
pub(super) struct Near {
    store: Arc<RedisStore>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// It may be asked.
    stands: bool,
    /// See [`RedisStore::led`].
    led: u64,
    unsent: Vec<u8>,
    waiting: VecDeque<Asked>,
    driver: Option<Waker>,
}

/// The connection of this thread to that store, if it keeps one.
pub(super) fn here(store: &RedisStore) -> Option<Arc<Near>> {
    HERE.with_borrow(|near| {
        let near = near.as_ref()?;
        std::ptr::eq(Arc::as_ptr(&near.store), store).then(|| Arc::clone(near))
    })
}

/// The thread is done with it: whoever waits asks the pool.
struct Gone;

impl Drop for Gone {
    fn drop(&mut self) {
        // A thread that ends may have no cell any more.
        let _ = HERE.try_with(|near| near.take());
    }
}

/// Keeps a connection for reads made on this thread, for ever.
pub(super) async fn keep(store: Arc<RedisStore>) -> Infallible {
    let near = Arc::new(Near {
        store: Arc::clone(&store),
        queue: Mutex::default(),
    });
    let _gone = Gone;
    HERE.set(Some(Arc::clone(&near)));
    let (first, longest) = (store.config.reconnect_min, store.config.reconnect_max);
    let mut pause = first;
    loop {
        // Before the server is looked up: one that is led elsewhere meanwhile is seen to be old.
        let led = store.led.load(Ordering::Acquire);
        if let Ok(link) = store.dial_alive(&near.greeting()).await {
            let error = Driver::new(&near, link, led).run().await;
            tracing::debug!(%error, "a thread's own connection to redis ended");
            pause = first;
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

impl Near {
    fn greeting(&self) -> Greeting {
        Greeting {
            database: self.store.default.database(),
            ..Greeting::default()
        }
    }

    /// Asks for these keys; `None` when the pool is to be asked.
    pub(super) fn ask(&self, keys: &[Key]) -> Option<oneshot::Receiver<Answer>> {
        let database = self.store.default.database();
        if keys.is_empty() || keys.iter().any(|key| key.database() != database) {
            return None;
        }
        let mut queue = self.queue.lock();
        if !queue.stands
            || queue.led != self.store.led.load(Ordering::Acquire)
            || queue.waiting.len() >= self.store.config.max_in_flight
        {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        write_question(&mut queue.unsent, keys);
        queue.waiting.push_back(Asked {
            at: Instant::now(),
            keys: keys.len(),
            answer,
        });
        let driver = queue.driver.take();
        drop(queue);
        // Behind all tasks that have something to do in this turn: they may ask as well.
        if let Some(driver) = driver {
            driver.wake();
        }
        Some(answered)
    }
}

/// Sends what is asked and hands out what is answered, until the first trouble.
struct Driver<'a> {
    near: &'a Near,
    link: Link,
    sending: Vec<u8>,
    sent: usize,
    heard: BytesMut,
    /// Goes off when the oldest question may have waited for too long; set anew only then.
    alarm: Pin<Box<Sleep>>,
    is_armed: bool,
    patience: Duration,
}

impl<'a> Driver<'a> {
    fn new(near: &'a Near, link: Link, led: u64) -> Self {
        let mut queue = near.queue.lock();
        queue.stands = true;
        queue.led = led;
        drop(queue);
        Self {
            near,
            link,
            sending: Vec::new(),
            sent: 0,
            heard: BytesMut::new(),
            alarm: Box::pin(sleep_until(Instant::now())),
            is_armed: false,
            patience: near.store.config.command_timeout,
        }
    }

    async fn run(mut self) -> io::Error {
        poll_fn(|context| match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        })
        .await
    }

    fn turn(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.hear(context)?;
        self.send(context)?;
        if self.is_silent(context) {
            let after = self.patience;
            for asked in self.near.queue.lock().waiting.drain(..) {
                let _ = asked.answer.send(Err(SharedCacheError::Timeout { after }));
            }
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Hands out the answers that have come.
    fn hear(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            // Grows with what has come, not with what was announced.
            self.heard.reserve(READ_BYTES.max(self.heard.len() / 2));
            let reading = pin!(self.link.read_buf(&mut self.heard));
            match reading.poll(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(read) => match read? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => self.hand_out()?,
                },
            }
            if self.heard.is_empty() && self.heard.capacity() > KEEP_BYTES {
                self.heard = BytesMut::new();
            }
        }
    }

    fn hand_out(&mut self) -> io::Result<()> {
        let odd = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut queue = self.near.queue.lock();
        let mut at = 0;
        while at < self.heard.len() {
            let Some(first) = queue.waiting.front() else {
                return Err(odd("an answer that nobody asked for"));
            };
            let Some((answer, end)) = answered(&self.heard[at..], first.keys).map_err(odd)? else {
                break;
            };
            at += end;
            if let Some(asked) = queue.waiting.pop_front() {
                let answer = answer.map_err(|words| self.near.store.said(words));
                // Whoever asked may have gone.
                let _ = asked.answer.send(answer);
            }
        }
        drop(queue);
        self.heard.advance(at);
        Ok(())
    }

    /// Sends what is asked, as far as the system takes it.
    fn send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut sent = false;
        loop {
            if self.sent == self.sending.len() {
                self.sending.clear();
                self.sent = 0;
                if self.sending.capacity() > KEEP_BYTES {
                    self.sending = Vec::new();
                }
                let mut queue = self.near.queue.lock();
                std::mem::swap(&mut self.sending, &mut queue.unsent);
                if self.sending.is_empty() {
                    // Who asks from now on wakes this task.
                    match &mut queue.driver {
                        Some(driver) => driver.clone_from(context.waker()),
                        none => *none = Some(context.waker().clone()),
                    }
                    break;
                }
            }
            let rest = &self.sending[self.sent..];
            match Pin::new(&mut self.link).poll_write(context, rest) {
                Poll::Ready(took) => self.sent += took?,
                Poll::Pending => return Ok(()),
            }
            sent = true;
        }
        if sent && let Poll::Ready(flushed) = Pin::new(&mut self.link).poll_flush(context) {
            flushed?;
        }
        Ok(())
    }

    /// Whether the oldest question has waited for too long.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        loop {
            if !self.is_armed {
                let oldest = self.near.queue.lock().waiting.front().map(|asked| asked.at);
                let Some(oldest) = oldest else { return false };
                if oldest.elapsed() >= self.patience {
                    return true;
                }
                self.alarm.as_mut().reset(oldest + self.patience);
                self.is_armed = true;
            }
            if self.alarm.as_mut().poll(context).is_pending() {
                return false;
            }
            self.is_armed = false;
        }
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        // Those who wait hear that it is gone, and ask the pool.
        *self.near.queue.lock() = Queue::default();
    }
}
