//! What a file is, by its name; and what is never sent.

/// Sources, the file of the site, and what editors leave beside them.
const NEVER: &[&str] = &[
    "php", "phtml", "py", "pyc", "rb", "env", "sql", "sqlite", "sqlite3", "ini", "bak", "swp",
    "swo", "orig", "old", "key", "kdl",
];

/// Extension and media type.
const KINDS: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("xml", "application/xml"),
    ("rss", "application/rss+xml"),
    ("atom", "application/atom+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/vnd.microsoft.icon"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("wasm", "application/wasm"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
];

fn extension(name: &str) -> Option<String> {
    let last = name.rsplit('/').next()?;
    last.rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase())
}

/// Its content is not for visitors, whoever asks.
pub fn is_never_sent(name: &str) -> bool {
    name.ends_with('~')
        || extension(name).is_some_and(|extension| NEVER.contains(&extension.as_str()))
}

/// The media type of a file of this name.
pub fn media_type(name: &str) -> &'static str {
    let found =
        extension(name).and_then(|extension| KINDS.iter().find(|(known, _)| *known == extension));
    found.map_or("application/octet-stream", |(_, kind)| kind)
}

/// How long it may be kept: pages are asked for again each time, the rest for an hour; a name with a content hash in
/// it (`app.3f9a1c2e.js`) never means anything else.
pub fn cache_control(name: &str) -> &'static str {
    let is_hash = |part: &str| {
        part.len() >= 8
            && part.chars().all(|c| c.is_ascii_hexdigit())
            && part.contains(|c: char| c.is_ascii_digit())
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let parts: Vec<&str> = last.split(['.', '-']).collect();
    if media_type(name).starts_with("text/html") {
        "no-cache"
    } else if parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| is_hash(part)) {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=3600"
    }
}

#[cfg(test)]
mod tests {
    use super::is_never_sent;

    #[test]
    fn the_file_of_the_site_is_never_sent() {
        for name in ["site.kdl", "deep/Site.KDL", "site.kdl~", "app.py"] {
            assert!(is_never_sent(name), "{name} would be sent");
        }
        assert!(!is_never_sent("kdl.html"));
    }
}
