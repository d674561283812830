//! The descriptors that a process is born with, by name.
//!
//! The keeper passes them with `TERRACE_DESCRIPTORS=name=number;name=number`. Names hold no `=` and no `;`.

use std::collections::BTreeMap;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::io::FdFlags;

/// The variable that tells a process its descriptors.
pub const VARIABLE: &str = "TERRACE_DESCRIPTORS";

/// Why the descriptors are not what they are said to be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The variable cannot be read.
    #[error("{VARIABLE} says `{0}`, which is not `name=number`")]
    Malformed(String),
    /// A number that is no open descriptor of this process.
    #[error("{VARIABLE} names descriptor {1} as `{0}`, which is not open")]
    NotOpen(String, RawFd),
    /// They were taken before.
    #[error("the inherited descriptors can be taken once")]
    Taken,
    /// A part misses a descriptor that it cannot do without.
    #[error("the descriptor `{0}` was not inherited")]
    Missing(String),
}

/// Inherited descriptors.
#[derive(Debug, Default)]
pub struct Descriptors {
    by_name: BTreeMap<String, OwnedFd>,
}

impl Descriptors {
    /// Takes what this process has inherited, and closes it to its own children.
    ///
    /// # Errors
    /// When the environment names what is not there, or on a second call: descriptors have one owner.
    pub fn inherited() -> Result<Self, Error> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(Error::Taken);
        }
        let listed = std::env::var(VARIABLE).unwrap_or_default();
        let by_name = parse(&listed)?
            .into_iter()
            .map(own)
            .collect::<Result<_, _>>()?;
        Ok(Self { by_name })
    }

    /// Descriptors that were made in this process: for tests and benchmarks.
    pub fn from_parts(parts: impl IntoIterator<Item = (String, OwnedFd)>) -> Self {
        Self {
            by_name: parts.into_iter().collect(),
        }
    }

    /// Takes one out.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        self.by_name.remove(name)
    }

    /// Takes one out that must be there.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn require(&mut self, name: &str) -> Result<OwnedFd, Error> {
        self.take(name)
            .ok_or_else(|| Error::Missing(name.to_owned()))
    }

    /// Takes all whose names begin with `prefix`, in the order of their names, with the rest of the name.
    pub fn take_all(&mut self, prefix: &str) -> Vec<(String, OwnedFd)> {
        let names: Vec<String> = self
            .by_name
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        names
            .into_iter()
            .filter_map(|name| Some((name[prefix.len()..].to_owned(), self.by_name.remove(&name)?)))
            .collect()
    }
}

/// How many descriptors this process may have now.
pub fn limit() -> u64 {
    // Reading one's own limits cannot fail; if it could, the least that systems give is assumed.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(256, |(soft, _)| soft)
}

/// Lets this process open so many descriptors, or as many as it may; returns how many those are.
///
/// # Errors
/// When the limit cannot be read or set.
pub fn allow(wanted: u64) -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let allowed = wanted.min(hard);
    if allowed <= soft {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, allowed, hard)?;
    Ok(allowed)
}

/// What [`VARIABLE`] is to hold for these descriptors.
pub fn listing<'a>(parts: impl IntoIterator<Item = (&'a str, RawFd)>) -> String {
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(name, number)| format!("{name}={number}"))
        .collect();
    parts.join(";")
}

fn parse(listed: &str) -> Result<Vec<(String, RawFd)>, Error> {
    let part = |part: &str| {
        let (name, number) = part.rsplit_once('=')?;
        Some((
            name.to_owned(),
            number.parse().ok().filter(|number: &RawFd| *number > 2)?,
        ))
    };
    listed
        .split(';')
        .filter(|part| !part.is_empty())
        .map(|text| part(text).ok_or_else(|| Error::Malformed(text.to_owned())))
        .collect()
}

#[allow(
    unsafe_code,
    reason = "an inherited descriptor is known by its number alone"
)]
fn own((name, number): (String, RawFd)) -> Result<(String, OwnedFd), Error> {
    let open = nix::fcntl::fcntl(
        // SAFETY: only asks whether the number is open; nothing is kept.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(number) },
        nix::fcntl::FcntlArg::F_GETFD,
    );
    if open.is_err() {
        return Err(Error::NotOpen(name, number));
    }
    // SAFETY: it is open, our parent gave it to this process under this number, and `inherited` runs once.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&owned, FdFlags::CLOEXEC)
        .map_err(|_| Error::NotOpen(name.clone(), number))?;
    Ok((name, owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_back() {
        let listed = listing([("listen 8.8.8.8:80 #0", 7), ("control", 12)]);
        assert_eq!(
            parse(&listed).unwrap(),
            [
                ("listen 8.8.8.8:80 #0".to_owned(), 7),
                ("control".to_owned(), 12)
            ]
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_is_not_a_descriptor_is_named() {
        assert_eq!(
            parse("control"),
            Err(Error::Malformed("control".to_owned()))
        );
        assert_eq!(
            parse("control=1"),
            Err(Error::Malformed("control=1".to_owned()))
        );
        assert_eq!(
            own(("control".to_owned(), 9_999)).unwrap_err(),
            Error::NotOpen("control".to_owned(), 9_999)
        );
    }

    #[test]
    fn all_of_a_prefix_come_in_order() {
        let file = || OwnedFd::from(tempfile::tempfile().unwrap());
        let mut all = Descriptors::from_parts(
            ["listen b", "control", "listen a"].map(|name| (name.to_owned(), file())),
        );
        let names: Vec<String> = all
            .take_all("listen ")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert!(all.require("control").is_ok());
        assert_eq!(
            all.require("control").unwrap_err(),
            Error::Missing("control".to_owned())
        );
    }
}
