//! From the path of a request to the name of a file: decoded once, and beneath the root.

/// The name of a file or directory, relative to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The parts, joined by `/`; empty: the root itself.
    pub name: String,
    /// It ended with a slash: a directory is meant.
    pub is_directory: bool,
}

impl Path {
    /// Reads a path as it stands in a request. `None`: it can be no file that we send.
    pub fn decode(raw: &[u8]) -> Option<Self> {
        let rest = raw.strip_prefix(b"/")?;
        let mut name = String::new();
        let mut is_directory = true;
        for part in rest.split(|byte| *byte == b'/') {
            is_directory = part.is_empty();
            let part = decode_part(part)?;
            // Two slashes are one; the last one says that a directory is meant.
            if part.is_empty() || part == "." {
                continue;
            }
            if part.starts_with('.') && part != ".well-known" {
                return None;
            }
            if !name.is_empty() {
                name.push('/');
            }
            name += &part;
        }
        Some(Self { name, is_directory })
    }
}

/// Percent-decodes one part. What would be a separator, an end or no text afterwards is refused.
fn decode_part(part: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.iter();
    while let Some(byte) = rest.next() {
        let byte = if *byte == b'%' {
            let high = char::from(*rest.next()?).to_digit(16)?;
            let low = char::from(*rest.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()?
        } else {
            *byte
        };
        if matches!(byte, 0 | b'/' | b'\\') || byte.is_ascii_control() {
            return None;
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}
