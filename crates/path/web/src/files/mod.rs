//! Static files: which file a path means, and the answer that it gives.
//!
//! [`path`] reads the path, [`kind`] knows what a file is and what is never sent, [`range`] reads ranges, `cache`
//! keeps answers. A file is opened beneath the root's descriptor and nowhere else (openat2(2), RESOLVE_BENEATH).
//! There is no listing, and no dot file but `.well-known/`.

mod cache;
pub mod kind;
mod open;
pub mod path;
pub mod range;

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use terrace_http::head::Method;
use terrace_http::server::{Answer, Body, Request};
use terrace_protocol::report::Lack;

use cache::{Cache, File};
use path::Path;

/// A directory of files, as one worker serves it.
pub struct Root {
    directory: OwnedFd,
    cache: RefCell<Cache>,
}

/// What a path comes to.
pub enum Found {
    /// It is no file: somebody else may know.
    Missing,
    /// This is the answer.
    Answer(Answer),
    /// It cannot be known: this is missing to open it with.
    Lacking(Lack),
}

impl Root {
    /// The files below this directory.
    pub fn new(directory: OwnedFd) -> Self {
        Self {
            directory,
            cache: RefCell::default(),
        }
    }

    /// The answer to a request; `now` may be a moment old.
    pub fn find(&self, request: &Request<'_>, now: Instant) -> Found {
        let target = request.target();
        let end = target
            .iter()
            .position(|byte| *byte == b'?')
            .unwrap_or(target.len());
        let (raw, query) = target.split_at(end);
        let known = self.cache.borrow().fresh(raw, now);
        let file = match known.map_or_else(|| self.look(raw, now), Ok) {
            Ok(Some(file)) => file,
            Ok(None) => return Found::Missing,
            Err(lack) => return Found::Lacking(lack),
        };
        match &*file {
            File::Directory => Found::Answer(redirect(raw, query)),
            File::Content(content) => match request.method() {
                Method::Get | Method::Head => Found::Answer(content.answer(request)),
                // A form may be sent to where a file is: that is the app's.
                Method::Idempotent | Method::Other => Found::Missing,
            },
        }
    }

    /// Looks at the file itself. Where descriptors are missing, what was found before is taken for true a while longer.
    fn look(&self, raw: &[u8], now: Instant) -> Result<Option<Rc<File>>, Lack> {
        let before = self.cache.borrow_mut().stale(raw);
        let opened = match Path::decode(raw) {
            Some(path) => open::open(&self.directory, &path, before.as_deref()),
            None => open::Opened::Missing,
        };
        let file = match opened {
            open::Opened::Same => before,
            open::Opened::New(file) => Some(Rc::new(file)),
            open::Opened::Missing => None,
            open::Opened::Lacking(lack) if before.is_none() => return Err(lack),
            open::Opened::Lacking(_) => before,
        };
        self.cache.borrow_mut().put(raw, file.clone(), now);
        Ok(file)
    }
}

/// A directory is asked for with a slash at its end, or the links in its page would lead elsewhere.
fn redirect(raw: &[u8], query: &[u8]) -> Answer {
    let mut head = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: ".to_vec();
    // Two slashes at the beginning would be another host.
    head.push(b'/');
    head.extend_from_slice(
        raw.trim_ascii_start()
            .strip_prefix(b"/")
            .map_or(raw, |rest| {
                let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
                &rest[slashes..]
            }),
    );
    head.push(b'/');
    head.extend_from_slice(query);
    head.extend_from_slice(b"\r\nContent-Length: 0\r\n");
    Answer {
        status: 308,
        head: head.into(),
        body: Body::Empty,
    }
}

#[cfg(test)]
mod tests;
