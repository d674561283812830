//! The few colours that we use.

use std::fmt::{Display, Formatter, Result};
use std::io::IsTerminal;

/// Whether standard output shows colours.
pub(crate) fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Text in a colour, on standard output.
pub(crate) struct Paint<T>(T, &'static str);

/// As it should be.
pub(crate) fn good<T: Display>(text: T) -> Paint<T> {
    Paint(text, "32")
}

/// Not as it should be.
pub(crate) fn wrong<T: Display>(text: T) -> Paint<T> {
    Paint(text, "31")
}

/// Beside the point.
pub(crate) fn quiet<T: Display>(text: T) -> Paint<T> {
    Paint(text, "2")
}

impl<T: Display> Display for Paint<T> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if coloured() {
            write!(out, "\x1b[{}m{}\x1b[0m", self.1, self.0)
        } else {
            self.0.fmt(out)
        }
    }
}
