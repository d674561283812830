//! Getting in: as a server towards the app, as a client towards the database.
//!
//! The router knows the passwords, so as a server it can always check the short proof of
//! caching_sha2_password and never needs the long form. As a client it may be asked for that: the
//! password then goes encrypted with the server's RSA key.

use std::io;

use terrace_protocol::report::Lack;

use super::handshake::{Answer, Greeting, NATIVE, SHA2, prove};
use super::{Wire, capability as cap, error_packet};
use crate::instance::door::says_busy;

/// Why a database does not let us in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection.
    #[error("the connection broke: {0}")]
    Io(io::Error),
    /// Something is missing here: nobody was asked.
    #[error("{}", .0.words())]
    Lack(Lack),
    /// It speaks something else.
    #[error("that is not the MySQL protocol")]
    Protocol,
    /// The plan names nobody to log in to, or as.
    #[error("the plan has no {0}")]
    Plan(&'static str),
    /// The session's settings are not taken there.
    #[error("the server does not take the settings of this session")]
    Settings,
    /// Its answers would have another shape than the client was promised.
    #[error("it does not leave out what the server that greeted first does")]
    Unlike,
    /// It said no: an ERR packet's payload.
    #[error("refused: {}", String::from_utf8_lossy(.0.get(9..).unwrap_or_default()))]
    Refused(Vec<u8>),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Error {
    /// The database is there, and has no place for another connection.
    pub fn is_busy(&self) -> bool {
        let Self::Refused(error) = self else {
            return false;
        };
        let code = error.get(1..3);
        code.is_some_and(|code| says_busy(u16::from_le_bytes([code[0], code[1]])))
    }

    /// The database is away. One that has no place is there, and what is missing here says nothing of it.
    pub fn is_away(&self) -> bool {
        !self.is_busy() && !matches!(self, Self::Lack(_))
    }
}

/// Checks a client's proof; asks again with a plugin of ours where it used another. The sequence number of the next
/// packet, and whether it knows the password.
pub async fn check(
    client: &mut Wire,
    greeting: &Greeting,
    answer: &Answer,
    password: Option<&str>,
    mut sequence: u8,
    fresh: bool,
) -> io::Result<(u8, bool)> {
    let mut plugin = answer.plugin.clone();
    let mut proof = answer.proof.clone();
    // A client that prefers another plugin than the greeting's may not have proven anything with it: as the server
    // itself would, we ask it with ours.
    if plugin != greeting.plugin || !fresh {
        plugin.clone_from(&greeting.plugin);
        let mut switch = vec![0xfe];
        switch.extend_from_slice(&plugin);
        switch.push(0);
        switch.extend_from_slice(&greeting.nonce);
        switch.push(0);
        client.send_payload(sequence, &switch).await?;
        let (theirs, payload) = client.take_packet().await?;
        (proof, sequence) = (payload, theirs.wrapping_add(1));
    }
    // An empty password is sent as nothing, or as a single zero.
    if proof == [0] {
        proof.clear();
    }
    let expected = password.and_then(|password| prove(&plugin, &greeting.nonce, password));
    if expected
        .as_deref()
        .is_none_or(|expected| !equal(expected, &proof))
    {
        return Ok((sequence, false));
    }
    if plugin == SHA2.as_bytes() && !proof.is_empty() {
        client.send_payload(sequence, &[1, 3]).await?;
        sequence = sequence.wrapping_add(1);
    }
    Ok((sequence, true))
}

/// Compares in a time that does not depend on where they differ.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// An error that comes instead of a greeting has no SQL state yet; whoever has been greeted expects one.
pub fn with_state(error: Vec<u8>) -> Vec<u8> {
    match error.as_slice() {
        [_, low, high, text @ ..] if text.first() != Some(&b'#') => {
            let text = String::from_utf8_lossy(text);
            error_packet(u16::from_le_bytes([*low, *high]), "08004", &text)
        }
        _ => error,
    }
}

/// Logs in: the greeting, and the OK packet that lets us in.
pub async fn log_in(
    server: &mut Wire,
    mut answer: Answer,
    password: &str,
) -> Result<(Greeting, Vec<u8>), Error> {
    let (_, payload) = server.take_packet().await?;
    if payload.first() == Some(&0xff) {
        return Err(Error::Refused(with_state(payload)));
    }
    let greeting = Greeting::read(&payload).ok_or(Error::Protocol)?;
    let mut plugin = greeting.plugin.clone();
    let mut nonce = greeting.nonce.clone();
    answer.capabilities &= greeting.capabilities | cap::MYSQL | cap::CONNECT_WITH_DB;
    if answer.extended & !greeting.extended != 0 {
        return Err(Error::Unlike);
    }
    if prove(&plugin, &nonce, password).is_none() {
        plugin = NATIVE.into();
    }
    answer.proof = prove(&plugin, &nonce, password).unwrap_or_default();
    answer.plugin.clone_from(&plugin);
    server.send_payload(1, &answer.write()).await?;
    loop {
        let (sequence, payload) = server.take_packet().await?;
        let next = sequence.wrapping_add(1);
        match payload.as_slice() {
            [0, ..] => return Ok((greeting, payload)),
            [0xff, ..] => return Err(Error::Refused(payload)),
            [0xfe, rest @ ..] => {
                let mut reader = super::bytes::Reader(rest);
                plugin = reader.until_zero().to_vec();
                nonce = reader.0.strip_suffix(&[0]).unwrap_or(reader.0).to_vec();
                let proof = prove(&plugin, &nonce, password).ok_or(Error::Protocol)?;
                server.send_payload(next, &proof).await?;
            }
            [1, 3] => {}
            // The server has not seen this password lately: its key is asked for, and the password sent under it.
            [1, 4] => server.send_payload(next, &[2]).await?,
            [1, key @ ..] => {
                let mut hidden: Vec<u8> = password.bytes().chain([0]).collect();
                hidden
                    .iter_mut()
                    .zip(nonce.iter().cycle())
                    .for_each(|(byte, mask)| *byte ^= mask);
                let hidden = mysql_common::crypto::encrypt(&hidden, key);
                server.send_payload(next, &hidden).await?;
            }
            _ => return Err(Error::Protocol),
        }
    }
}
