//! A site in a directory of its own, up for as long as it is needed: for what is measured through the binary.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A site that is up. Stopped, and its data removed, when it is dropped.
pub(crate) struct Rehearsal {
    pub(crate) directory: PathBuf,
    binary: PathBuf,
    /// Where programs are sought: also where scripts/mysql unpacks a server.
    path: OsString,
    /// The site's name.
    name: String,
}

impl Rehearsal {
    /// Brings the site of this file up, with the binary of this profile. Its app, if it asks for one, is the empty directory `app`.
    ///
    /// # Errors
    /// When it does not come up; what it said is in the error.
    pub(crate) fn up(root: &Path, binary: &str, name: &str, file: &str) -> io::Result<Self> {
        // Below the tree: a host has a /tmp of its own.
        let directory = root.join(format!("target/rehearsals/{name}-{}", std::process::id()));
        fs::create_dir_all(directory.join("app"))?;
        fs::write(directory.join("app/index.html"), "")?;
        fs::write(directory.join("site.kdl"), file)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = std::env::split_paths(&path).chain([root.join("target/mysql/bin")]);
        let rehearsal = Self {
            directory,
            path: std::env::join_paths(programs).map_err(io::Error::other)?,
            binary: root.join("target").join(binary).join("terrace"),
            name: name.to_owned(),
        };
        said(rehearsal.terrace(&["up", "--detach"], &[]).output()?)?;
        Ok(rehearsal)
    }

    /// A command on the site's file, and what follows the file.
    pub(crate) fn terrace(&self, arguments: &[&str], after: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg(self.directory.join("site.kdl"))
            .args(after)
            .env("PATH", &self.path)
            // Listed for itself: a site of the user's is not to be one of several.
            .env("TERRACE_RUN", self.directory.join("run"))
            .stdin(Stdio::null());
        command
    }

    /// A program on one of its servers.
    pub(crate) fn on(&self, server: &str, program: &[&str]) -> Command {
        self.terrace(&["exec", server, "--file"], &[&["--"], program].concat())
    }

    /// A secret of the site.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn secret(&self, secret: &str) -> io::Result<String> {
        let secrets = Path::new(".terrace").join(&self.name).join("secrets");
        fs::read_to_string(self.directory.join(secrets).join(secret))
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let _ = self.terrace(&["down"], &["--wipe"]).output();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What a program printed; its errors where it failed.
///
/// # Errors
/// When it failed.
pub(crate) fn said(output: Output) -> io::Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{text}{error}")))
}
