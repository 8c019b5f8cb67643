//! The mode: a pure function of the settings.

use crate::settings::Settings;

/// What the user tier answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The application's pages.
    Normal,
    /// Status 503 and the page.
    Maintenance,
}

/// The mode that is set.
#[must_use]
pub(crate) fn of(settings: &Settings) -> Mode {
    if settings.standby || settings.maintenance_mode.is_on() == Some(true) { Mode::Maintenance } else { Mode::Normal }
}

impl Mode {
    /// The name, as in logs and on pages.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Maintenance => "maintenance",
        }
    }
}
