use std::{fmt, sync::Arc};

use futures::{
    FutureExt,
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt},
};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{CallContext, GenerationProvider, Reply, Request};
use crate::Result;

/// Who is told of text as it comes ([`CallContext::deltas`]). What a call gives in the end is what counts:
/// where an answer is asked for again since it did not fit its schema, the pieces of the first one came,
/// too.
#[derive(Clone)]
pub struct Deltas(Arc<dyn Fn(&str) + Send + Sync>);

impl Deltas {
    /// Tells this function, which must not take long.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells of the next piece.
    pub fn tell(&self, piece: &str) {
        (self.0)(piece);
    }
}

impl fmt::Debug for Deltas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deltas")
    }
}

/// What a stream of text gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum TextEvent {
    /// The next piece.
    Delta(String),
    /// The reply, which is the last: the whole text with what it used, or an operation.
    Ended(Reply),
}

/// A call as a stream: the pieces of its text as they come, where the provider streams, and then its reply
/// or its error. Dropping the stream cancels the call.
pub fn text_stream(
    provider: Arc<dyn GenerationProvider>,
    request: Request,
    mut context: CallContext,
) -> BoxStream<'static, Result<TextEvent>> {
    let (sender, pieces) = mpsc::unbounded_channel();
    context.deltas = Some(Deltas::new(move |piece| {
        // Nobody may listen any more.
        sender.send(piece.to_owned()).ok();
    }));
    let call = async move { provider.generate(&request, &context).await }.boxed();
    let state = Some(State { pieces, call });
    stream::unfold(state, |state| async move { Some(state?.next().await) }).boxed()
}

struct State {
    pieces: UnboundedReceiver<String>,
    call: BoxFuture<'static, Result<Reply>>,
}

impl State {
    async fn next(mut self) -> (Result<TextEvent>, Option<Self>) {
        tokio::select! {
            biased;
            Some(piece) = self.pieces.recv() => (Ok(TextEvent::Delta(piece)), Some(self)),
            reply = &mut self.call => match self.pieces.try_recv() {
                // The last pieces came with the reply.
                Ok(piece) => {
                    self.call = futures::future::ready(reply).boxed();
                    (Ok(TextEvent::Delta(piece)), Some(self))
                }
                Err(_) => (reply.map(TextEvent::Ended), None),
            },
        }
    }
}
