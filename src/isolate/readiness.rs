//! Whether the services behind the edge answer. They are asked by one request at a time; those that come meanwhile get its answer.

/// What is known of the services.
#[derive(Clone)]
pub struct Ready {
    /// Whether each of them answers, by name.
    pub parts: Vec<(&'static str, bool)>,
    /// The variables of systems that are not set, and that some endpoint or job needs.
    pub missing: Vec<String>,
}

/// What a request does next.
pub enum Next {
    /// It answers.
    Answer(Ready),
    /// It asks the services.
    Ask,
    /// Another one is asking them.
    Wait,
}

/// The last answer of an isolate.
#[derive(Default)]
pub struct Readiness {
    last: Option<(u64, Ready)>,
    /// When the one that is asking is given up: the runtime may have dropped it without notice. 0 if nobody is.
    asking_until_ms: u64,
}

impl Readiness {
    /// What a request does that came at `came_ms`; one that asks takes at most `longest_ms`.
    pub fn next(&mut self, came_ms: u64, now_ms: u64, longest_ms: u64) -> Next {
        match &self.last {
            // Not one of the future: the clock may have been put back.
            Some((given_ms, ready)) if (came_ms..=now_ms).contains(given_ms) => {
                Next::Answer(ready.clone())
            }
            _ if now_ms < self.asking_until_ms => Next::Wait,
            _ => {
                self.asking_until_ms = now_ms + longest_ms;
                Next::Ask
            }
        }
    }

    /// Stores what the services have answered.
    pub fn answered(&mut self, ready: &Ready, now_ms: u64) {
        self.last = Some((now_ms, ready.clone()));
    }

    /// The one that was asking asks no more.
    pub fn ended(&mut self) {
        self.asking_until_ms = 0;
    }
}
