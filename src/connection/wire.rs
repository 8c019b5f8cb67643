//! The socket as hyper sees it: what has been read before comes first, and what passes is told to the slot.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::server::Slot;

/// The socket, lent to hyper.
#[derive(Debug)]
pub(super) struct Wire<'c> {
    /// The socket.
    pub(super) stream: &'c mut TcpStream,
    /// Input that came before hyper had the connection.
    pub(super) rest: Bytes,
    /// The connection's slot.
    pub(super) slot: &'c Slot,
    /// What we see of hyper's work.
    pub(super) flow: &'c Flow,
}

/// What we see of hyper's work. One task uses it; the atomics let that task move between threads.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The last that hyper did was to ask for input that had not come.
    waits: AtomicBool,
    /// The client does not take the output.
    stalled: AtomicBool,
    /// An answer was made since this was last asked.
    answered: AtomicBool,
    /// The last request has a body, which nobody reads.
    body: AtomicBool,
    /// The heads that are not whole yet would hold more than they may.
    refused: AtomicBool,
    /// No more requests are read.
    leaving: AtomicBool,
    /// Bytes that were thrown away.
    thrown_away: AtomicU64,
}

/// Input that is read and thrown away once no more requests are. In bytes.
const THROWN_AWAY: u64 = 64 * 1024 * 1024;

// === impl Flow ===

impl Flow {
    /// Whether hyper has done all it can, and all its output is sent.
    pub(super) fn is_quiet(&self) -> bool {
        self.waits.load(Ordering::Relaxed) && !self.is_stalled()
    }

    /// Whether the client has yet to take some output.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// An answer has been made, to a request with a body or without.
    pub(super) fn answered(&self, body: bool) {
        self.answered.store(true, Ordering::Relaxed);
        self.body.store(body, Ordering::Relaxed);
    }

    /// Whether an answer was made since this was last asked.
    pub(super) fn take_answered(&self) -> bool {
        self.answered.swap(false, Ordering::Relaxed)
    }

    /// Whether the last request has a body.
    pub(super) fn has_body(&self) -> bool {
        self.body.load(Ordering::Relaxed)
    }

    /// Whether the connection ends because the heads that are not whole yet would hold more than they may.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// From now on input is thrown away while output waits.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Reads input and throws it away, until nothing more has come, or within its limit ever will.
    pub(super) fn poll_throw_away(&self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [MaybeUninit::uninit(); 8 * 1024];
        while self.thrown_away.load(Ordering::Relaxed) < THROWN_AWAY {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.thrown_away.fetch_add(buffer.filled().len() as u64, Ordering::Relaxed);
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

// === impl Wire ===

impl Wire<'_> {
    fn wrote(&mut self, context: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let (stalled, was) = (result.is_pending(), self.flow.stalled.load(Ordering::Relaxed));
        if stalled != was {
            self.flow.stalled.store(stalled, Ordering::Relaxed);
            if stalled {
                self.slot.stalls();
            } else {
                self.slot.goes_on();
            }
            // Where it is dropped now, the kernel is not to keep what the client does not take.
            let _ = SockRef::from(&*self.stream).set_linger(stalled.then_some(Duration::ZERO));
        }
        self.flow.waits.store(false, Ordering::Relaxed);
        // A client may take nothing until it has sent everything.
        if stalled && self.flow.leaving.load(Ordering::Relaxed) {
            let _ = self.flow.poll_throw_away(self.stream, context);
        }
        result
    }
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() {
            let length = self.rest.len().min(buffer.remaining());
            buffer.put_slice(&self.rest[..length]);
            self.rest.advance(length);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut *self.stream).poll_read(context, buffer);
        self.flow.waits.store(result.is_pending(), Ordering::Relaxed);
        let read = buffer.filled().len() - before;
        if read > 0 && !self.slot.received(read) {
            self.flow.refused.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        result
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut *self.stream).poll_write(context, bytes);
        self.wrote(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut *self.stream).poll_write_vectored(context, slices);
        self.wrote(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}
