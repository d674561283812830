//! What was found lately, and what was not: a path is looked at again once a second at the most, so a changed file is
//! served anew within a second, and one that is asked for often costs nothing but the asking.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use terrace_http::date::{http_date, parse_date};
use terrace_http::head::{Method, elements};
use terrace_http::server::{Answer, Body, Request};
use terrace_service::{clock, descriptors};

use super::kind;
use super::range::{self, Asked};

/// How long what was found is taken for true.
const FRESH: Duration = Duration::from_millis(900);
/// Paths that are remembered; with more, all are forgotten at once, and those in use are soon known again. Each may hold a
/// descriptor: they are no more than a small part of those that the process may have.
const MOST: usize = 1024;
const PART: u64 = 8;

/// Bytes of files that are remembered; with more, all are forgotten likewise.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// What a path means.
pub(super) enum File {
    /// A directory that was asked for without its slash.
    Directory,
    Content(Content),
}

impl File {
    /// The bytes of it that are in memory.
    fn held(&self) -> usize {
        match self {
            File::Content(content) => content.bytes.as_ref().map_or(0, |bytes| bytes.len()),
            File::Directory => 0,
        }
    }
}

/// A file that can be sent.
pub(super) struct Content {
    /// Inode, length and time of change in ns: another one is another content.
    pub(super) stamp: (u64, u64, i128),
    length: u64,
    modified: u64,
    etag: Vec<u8>,
    /// The head of a 200.
    head: Rc<[u8]>,
    /// The fields that a 206, a 304 and a 416 have, too.
    fields: String,
    bytes: Option<Rc<[u8]>>,
    file: Rc<OwnedFd>,
}

/// What a path meant at this moment; `None`: no file.
type Seen = (Option<Rc<File>>, Instant);

pub(super) struct Cache {
    by_path: HashMap<Box<[u8]>, Seen>,
    bytes: usize,
    /// The most paths.
    most: usize,
}

impl Default for Cache {
    fn default() -> Self {
        let part = usize::try_from(descriptors::limit() / PART).unwrap_or(MOST);
        Self {
            by_path: HashMap::new(),
            bytes: 0,
            most: part.min(MOST),
        }
    }
}

impl Cache {
    /// What was found within the last second, if somebody looked: a file, or none.
    pub(super) fn fresh(&self, path: &[u8], now: Instant) -> Option<Option<Rc<File>>> {
        let (file, seen) = self.by_path.get(path)?;
        (now.saturating_duration_since(*seen) < FRESH).then(|| file.clone())
    }

    /// Takes out what was found, however long ago.
    pub(super) fn stale(&mut self, path: &[u8]) -> Option<Rc<File>> {
        let file = self.by_path.remove(path).and_then(|(file, _)| file);
        self.bytes -= file.as_deref().map_or(0, File::held);
        file
    }

    pub(super) fn put(&mut self, path: &[u8], file: Option<Rc<File>>, now: Instant) {
        let more = file.as_deref().map_or(0, File::held);
        if self.by_path.len() >= self.most || self.bytes + more > MOST_BYTES {
            self.by_path.clear();
            self.bytes = 0;
        }
        self.bytes += more;
        self.by_path.insert(path.into(), (file, now));
    }
}

impl Content {
    pub(super) fn new(
        name: &str,
        stamp: (u64, u64, i128),
        modified: u64,
        bytes: Option<Rc<[u8]>>,
        file: Rc<OwnedFd>,
    ) -> Self {
        let (inode, length, nanos) = stamp;
        let etag = format!("\"{inode:x}-{length:x}-{nanos:x}\"");
        let fields = format!(
            "ETag: {etag}\r\nLast-Modified: {}\r\nCache-Control: {}\r\nAccept-Ranges: bytes\r\n",
            http_date(modified),
            kind::cache_control(name)
        );
        let kind = kind::media_type(name);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{fields}Content-Length: {length}\r\n"
        );
        let fields = format!("Content-Type: {kind}\r\n{fields}");
        Self {
            stamp,
            length,
            modified,
            etag: etag.into_bytes(),
            head: head.into_bytes().into(),
            fields,
            bytes,
            file,
        }
    }

    /// The answer to a GET or HEAD, in the order of RFC 9110 §13.2.2.
    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let mut conditional = false;
        let mut ranged = false;
        for (name, _) in &request.head.fields {
            let name = name.in_(request.buffer);
            // Most requests have none of these: one look at the first letter is enough.
            if matches!(name.first(), Some(b'i' | b'I'))
                && name.len() > 6
                && name[..3].eq_ignore_ascii_case(b"if-")
            {
                conditional = true;
            } else if name.len() == 5 && name.eq_ignore_ascii_case(b"range") {
                ranged = true;
            }
        }
        if conditional && let Some(answer) = self.unless_wanted(request) {
            return answer;
        }
        // Ranges are of a GET alone (RFC 9110 §14.2).
        if ranged && request.method() == Method::Get && self.range_applies(request) {
            let asked = range::asked(one_line(request, b"range").unwrap_or_default(), self.length);
            match asked {
                Asked::Part { start, length } => return self.part(start, length),
                Asked::Unsatisfiable => {
                    let fields = format!("Content-Range: bytes */{}\r\n", self.length);
                    return Answer::new("416 Range Not Satisfiable", &fields, Vec::new());
                }
                Asked::Whole => {}
            }
        }
        Answer {
            status: 200,
            head: Rc::clone(&self.head),
            body: self.body(0, self.length),
        }
    }

    /// 412 or 304, when a condition says so.
    fn unless_wanted(&self, request: &Request<'_>) -> Option<Answer> {
        let failed = || Some(Answer::new("412 Precondition Failed", "", Vec::new()));
        let since = |name: &[u8]| date(one_line(request, name)?);
        if request.field(b"if-match").is_some() {
            if !self.matches(request.values(b"if-match"), false) {
                return failed();
            }
        } else if since(b"if-unmodified-since").is_some_and(|since| self.modified > since) {
            return failed();
        }
        let unchanged = if request.field(b"if-none-match").is_some() {
            self.matches(request.values(b"if-none-match"), true)
        } else {
            since(b"if-modified-since").is_some_and(|since| self.modified <= since)
        };
        unchanged.then(|| {
            let head = format!("HTTP/1.1 304 Not Modified\r\n{}", self.fields);
            Answer {
                status: 304,
                head: head.into_bytes().into(),
                body: Body::Empty,
            }
        })
    }

    /// Whether a list of tags, perhaps on several lines, has this content's; `*` alone has every one.
    fn matches<'a>(&self, lines: impl Iterator<Item = &'a [u8]>, weakly: bool) -> bool {
        let (mut tags, mut any, mut found) = (0, false, false);
        for tag in lines.flat_map(elements) {
            tags += 1;
            any |= tag == b"*";
            let strong = if weakly {
                tag.strip_prefix(b"W/")
            } else {
                None
            };
            found |= strong.unwrap_or(tag) == self.etag;
        }
        found || (any && tags == 1)
    }

    /// `If-Range`: a part is of use only beside the same content.
    fn range_applies(&self, request: &Request<'_>) -> bool {
        if request.field(b"if-range").is_none() {
            return true;
        }
        match one_line(request, b"if-range") {
            None => false,
            Some(tag) if tag.contains(&b'"') => tag == self.etag,
            Some(since) => date(since) == Some(self.modified),
        }
    }

    fn part(&self, start: u64, length: u64) -> Answer {
        let last = start + length - 1;
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\n{}Content-Range: bytes {start}-{last}/{}\r\nContent-Length: {length}\r\n",
            self.fields, self.length
        );
        Answer {
            status: 206,
            head: head.into_bytes().into(),
            body: self.body(start, length),
        }
    }

    fn body(&self, offset: u64, length: u64) -> Body {
        match &self.bytes {
            _ if length == 0 => Body::Empty,
            Some(bytes) if length == self.length => Body::Memory(Rc::clone(bytes)),
            _ => Body::File {
                file: Rc::clone(&self.file),
                offset,
                length,
            },
        }
    }
}

/// The value of a field that is no list. On several lines it says nothing (RFC 9110 §13.1.3).
fn one_line<'a>(request: &'a Request<'_>, name: &'a [u8]) -> Option<&'a [u8]> {
    let mut lines = request.values(name);
    lines.next().filter(|_| lines.next().is_none())
}

fn date(text: &[u8]) -> Option<u64> {
    parse_date(text, || clock::unix_millis() / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_in_bytes() {
        let held = |cache: &Cache| {
            let files = cache
                .by_path
                .values()
                .filter_map(|(file, _)| file.as_deref());
            files.map(File::held).sum::<usize>()
        };
        let (now, mut cache) = (Instant::now(), Cache::default());
        for number in 0..200_u32 {
            let bytes: Option<Rc<[u8]>> = Some(vec![0; 400_000].into());
            let file = Rc::new(OwnedFd::from(tempfile::tempfile().unwrap()));
            let content = Content::new("a", (1, 400_000, 0), 0, bytes, file);
            let path = (number / 2).to_be_bytes();
            // Whoever puts has taken out what was there before.
            cache.stale(&path);
            cache.put(&path, Some(Rc::new(File::Content(content))), now);
            assert_eq!(cache.bytes, held(&cache));
            assert!(cache.bytes <= MOST_BYTES && cache.fresh(&path, now).is_some());
        }
    }
}
