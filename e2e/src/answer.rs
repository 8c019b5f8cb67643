//! One recorded request: what was asked, and what a user or an admin saw.

use std::time::Instant;

use crate::http::Mode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    User,
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Kept,
    New,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) sent: Instant,
    pub(crate) at: Instant,
    pub(crate) tier: Tier,
    pub(crate) connection: Connection,
    /// Status and whether our marker was there, or the error.
    pub(crate) outcome: Result<(u16, bool), String>,
}

// === impl Answer ===

impl Answer {
    /// The mode that a user saw, if it was an answer of ours.
    pub(crate) fn mode(&self) -> Option<Mode> {
        match (self.tier, &self.outcome) {
            (Tier::User, Ok((200, false))) => Some(Mode::Normal),
            (Tier::User, Ok((503, true))) => Some(Mode::Maintenance),
            _ => None,
        }
    }

    /// Whether it is one that nobody may ever see: an error, a foreign 503, an admin who is turned away.
    pub(crate) fn is_fault(&self) -> bool {
        match self.tier {
            Tier::User => self.mode().is_none(),
            Tier::Admin => !matches!(self.outcome, Ok((200, false))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tier: Tier, outcome: Result<(u16, bool), String>) -> Answer {
        let now = Instant::now();
        Answer { sent: now, at: now, tier, connection: Connection::Kept, outcome }
    }

    #[test]
    fn admins_are_served_or_it_is_a_fault() {
        assert!(!answer(Tier::Admin, Ok((200, false))).is_fault());
        assert!(answer(Tier::Admin, Ok((503, true))).is_fault());
    }

    #[test]
    fn users_get_the_application_or_the_page_or_it_is_a_fault() {
        assert_eq!(answer(Tier::User, Ok((200, false))).mode(), Some(Mode::Normal));
        assert_eq!(answer(Tier::User, Ok((503, true))).mode(), Some(Mode::Maintenance));
        assert!(answer(Tier::User, Ok((503, false))).is_fault());
        assert!(answer(Tier::User, Ok((404, false))).is_fault());
        assert!(answer(Tier::User, Err("reset".to_owned())).is_fault());
    }
}
