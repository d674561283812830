//! What was found lately, and what was not: a path is looked at again once a second at the most, so a changed file is
//! served anew within a second, and one that is asked for often costs nothing but the asking.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use terrace_http::head::elements;
use terrace_http::server::{Answer, Body, Request, http_date};
use terrace_service::descriptors;

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
        if ranged && self.range_applies(request) {
            let asked = range::asked(request.field(b"range").unwrap_or_default(), self.length);
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
        let since = |name: &[u8]| request.field(name).and_then(seconds);
        if let Some(wanted) = request.field(b"if-match") {
            if !self.matches(wanted, false) {
                return failed();
            }
        } else if since(b"if-unmodified-since").is_some_and(|since| self.modified > since) {
            return failed();
        }
        let unchanged = match request.field(b"if-none-match") {
            Some(known) => self.matches(known, true),
            None => since(b"if-modified-since").is_some_and(|since| self.modified <= since),
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

    fn matches(&self, list: &[u8], weakly: bool) -> bool {
        elements(list).any(|tag| {
            let tag = if weakly {
                tag.strip_prefix(b"W/").unwrap_or(tag)
            } else {
                tag
            };
            tag == b"*" || tag == self.etag
        })
    }

    /// `If-Range`: a part is of use only beside the same content.
    fn range_applies(&self, request: &Request<'_>) -> bool {
        match request.field(b"if-range") {
            None => true,
            Some(tag) if tag.contains(&b'"') => tag == self.etag,
            Some(date) => seconds(date) == Some(self.modified),
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

/// The second of a date as HTTP writes it.
fn seconds(date: &[u8]) -> Option<u64> {
    let date = std::str::from_utf8(date).ok()?.trim();
    let mut parts = date.get(5..)?.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let time = parts.next()?;
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|known| *known == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days from the calendar, the inverse of `http_date`.
    let shifted_year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let (era, of_era) = (shifted_year / 400, shifted_year % 400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year)
        .checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_back() {
        for second in [0, 784_111_777, 951_782_400, 1_795_391_999] {
            assert_eq!(seconds(http_date(second).as_bytes()), Some(second));
        }
        assert_eq!(seconds(b"yesterday"), None);
    }

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
