//! What the `caBundle` of a webhook may be, told to whoever looks at the webhook configuration.

use k8s_openapi::ByteString;
use serde_json::Value;
use tokio::sync::watch;

use crate::certificates::{State, Step};

/// Tells it: base64, as JSON has it; nothing while it is not known. It is what the CA's Secret says, never what the
/// webhook configuration itself does.
#[derive(Debug)]
pub struct Bundles(watch::Sender<Vec<String>>);

impl From<watch::Sender<Vec<String>>> for Bundles {
    fn from(sender: watch::Sender<Vec<String>>) -> Self {
        Self(sender)
    }
}

impl Bundles {
    /// There is nothing to do: it is what is noted, and nothing else.
    pub fn settle(&self, state: &State) {
        if let Some(noted) = noted(state) {
            self.0.send_if_modified(|known| {
                let is_new = *known != [noted.clone()];
                *known = vec![noted];
                is_new
            });
        }
    }

    /// `step` is about to be taken: if it publishes what is noted, that may be there from now on. Where nothing was
    /// known yet it need not be there before.
    pub fn begin(&self, step: &Step, state: &State) {
        if !self.0.borrow().is_empty() {
            self.end(step, state);
        }
    }

    /// `step` was taken, or failed.
    pub fn end(&self, step: &Step, state: &State) {
        let published = noted(state).filter(|_| matches!(step, Step::Publish(_)));
        if let Some(noted) = published {
            self.0.send_if_modified(|known| {
                let is_new = !known.contains(&noted);
                known.extend(is_new.then_some(noted));
                is_new
            });
        }
    }
}

/// What the CA's Secret says is published, if it can be believed.
fn noted(state: &State) -> Option<String> {
    let bundle = state.is_noted().then(|| ByteString(state.kept.clone()));
    match serde_json::to_value(bundle?).ok()? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
