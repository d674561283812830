//! Values that are written as text: what each must look like, and the plainest of them.
//!
//! A value is parsed once, here and in the files beside this one. A mistake says what is wrong in the words
//! of the value; where it stands is the resolver's knowledge.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A value that the file writes as text.
pub trait FromText: Sized {
    /// What it is: `an address`.
    const WHAT: &'static str;
    /// What it looks like, as it stands in a file: `"10.0.0.21"`.
    const LIKE: &'static str;

    /// The value, or what is wrong with it, in a few words.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Declares a type that holds a checked text.
macro_rules! checked_text {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) String);

        impl $name {
            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

pub(crate) use checked_text;

checked_text! {
    /// A text that is not empty and stays on one line.
    Plain
}

checked_text! {
    /// A command line, for `sh`.
    Command
}

checked_text! {
    /// The path of a request: `/health`.
    HttpPath
}

checked_text! {
    /// Where something is sent: `https://hooks.example.org/terrace`.
    Url
}

/// A path on the machine that deploys, relative to the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FilePath(pub(crate) PathBuf);

impl FilePath {
    /// As the file writes it.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl FromText for Plain {
    const WHAT: &'static str = "a text";
    const LIKE: &'static str = "\"rack-1\"";

    fn from_text(text: &str) -> Result<Self, String> {
        one_line(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromText for Command {
    const WHAT: &'static str = "a command";
    const LIKE: &'static str = "\".venv/bin/granian --host $HOST --port $PORT foobar:app\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.contains('\0') {
            return Err("a command cannot hold the character 0".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromText for HttpPath {
    const WHAT: &'static str = "a path of the site";
    const LIKE: &'static str = "\"/health\"";

    fn from_text(text: &str) -> Result<Self, String> {
        one_line(text)?;
        if !text.starts_with('/') {
            return Err(format!("it begins with `/`: \"/{text}\""));
        }
        match text
            .chars()
            .find(|c| !c.is_ascii_graphic() || "\"<>#\\^`{|}".contains(*c))
        {
            Some(wrong) => Err(format!("`{wrong}` cannot stand in a path as it is")),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl FromText for Url {
    const WHAT: &'static str = "a URL";
    const LIKE: &'static str = "\"https://hooks.example.org/terrace\"";

    fn from_text(text: &str) -> Result<Self, String> {
        one_line(text)?;
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or("it begins with `https://` or `http://`")?;
        let host = rest.split('/').next().unwrap_or_default();
        if host.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("it names a host, and has no spaces".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromText for FilePath {
    const WHAT: &'static str = "a path beside the file";
    const LIKE: &'static str = "\"foobar/public\"";

    fn from_text(text: &str) -> Result<Self, String> {
        one_line(text)?;
        Ok(Self(PathBuf::from(text)))
    }
}

impl FromText for IpAddr {
    const WHAT: &'static str = "an address";
    const LIKE: &'static str = "\"10.0.0.21\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        if text.contains('/') {
            return Err("that is a network; one address has no `/`".to_owned());
        }
        if text.parse::<std::net::SocketAddr>().is_ok() {
            return Err("an address has no port".to_owned());
        }
        let numbers: Vec<&str> = text.split('.').collect();
        if let Some(wrong) = numbers
            .iter()
            .find(|part| part.parse::<u8>().is_err())
            .filter(|_| numbers.len() == 4)
        {
            return Err(format!("`{wrong}` is no number from 0 to 255"));
        }
        Err("it is IPv4, four numbers from 0 to 255, or IPv6".to_owned())
    }
}

fn one_line(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("it is empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err("it stays on one line, without control characters".to_owned())
    } else {
        Ok(())
    }
}
