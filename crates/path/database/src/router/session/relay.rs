//! Passing an answer on, packet boundaries read in place, nothing copied between the two sockets' buffers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::router::wire::bytes::put_packets;
use crate::router::wire::{Ok as OkPacket, Response, Seen, Wire, payload_length};

/// What broke, and how far it had come.
#[derive(Debug)]
pub enum Broken {
    /// The client is gone.
    Client,
    /// The primary is being changed, and refused the command whole: its error, and the number of its packet.
    ReadOnly(u8, Vec<u8>),
    /// The database refuses to prepare the statement that was to be executed: its error.
    Unprepared(Vec<u8>),
    /// The database is gone.
    Server {
        /// The client has seen a part of the answer.
        begun: bool,
    },
}

/// What an answer came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first bytes of its first packet.
    pub first: Vec<u8>,
    /// It ended with an error.
    pub refused: bool,
}

/// How far an answer has come, for whoever watches it while it passes.
#[derive(Debug, Default)]
pub struct Progress {
    begun: AtomicBool,
    turns: AtomicUsize,
}

impl Progress {
    /// The client has begun to see the answer.
    pub fn begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// The server's turn has begun, or ended. There is one task that calls this.
    fn turn(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns.wrapping_add(1), Ordering::Relaxed);
    }

    /// The number of this turn of the server's; `None`: it is the client that is waited for.
    pub fn server_turn(&self) -> Option<usize> {
        Some(self.turns.load(Ordering::Relaxed)).filter(|turns| turns % 2 == 1)
    }
}

/// Sends on what the client's first packet continues with.
pub async fn pass_rest(client: &mut Wire, server: &mut Wire) -> Result<(), Broken> {
    while client.continues() {
        let length = client.packet().await.map_err(|_| Broken::Client)?;
        let sent = server.send(&client.data()[..4 + length]).await;
        sent.map_err(|_| Broken::Server { begun: false })?;
        client.use_packet();
    }
    Ok(())
}

/// What to do after a run of packets that go on as they are.
enum Next {
    More,
    /// The next packet, of this length, is replaced by this payload.
    Replace(usize, Vec<u8>),
    /// The next packet, of this length, says that the server takes no writes.
    ReadOnly(usize),
    File,
}

/// Passes an answer on, and says how far it has come. `plain`: trackers are left out. `on_ok` hears of each OK before the
/// client does.
pub async fn relay(
    client: &mut Wire,
    server: &mut Wire,
    mut response: Response,
    plain: bool,
    on_ok: &mut (dyn FnMut(&OkPacket) + Send),
    progress: &Progress,
) -> Result<Outcome, Broken> {
    let mut outcome = Outcome::default();
    let mut left = 0;
    loop {
        let (length, next) = scan(
            server.data(),
            &mut response,
            &mut left,
            &mut outcome,
            plain,
            on_ok,
        )
        .ok_or_else(|| Broken::Server {
            begun: progress.begun(),
        })?;
        if length > 0 {
            // A part of it may have gone, whatever comes of the rest.
            progress.begin();
            client
                .send(&server.data()[..length])
                .await
                .map_err(|_| Broken::Client)?;
            server.consume(length);
        }
        match next {
            Next::Replace(length, payload) => {
                let mut out = Vec::with_capacity(payload.len() + 4);
                put_packets(&mut out, server.data()[3], &payload);
                progress.begin();
                client.send(&out).await.map_err(|_| Broken::Client)?;
                server.consume(4 + length);
            }
            Next::ReadOnly(length) => {
                let error = server.data()[4..4 + length].to_vec();
                let sequence = server.data()[3];
                server.consume(4 + length);
                return Err(Broken::ReadOnly(sequence, error));
            }
            Next::File => upload(client, server).await?,
            Next::More if response.done() && left == 0 => {}
            Next::More => {
                progress.turn();
                let filled = server.fill().await;
                progress.turn();
                filled.map_err(|_| Broken::Server {
                    begun: progress.begun(),
                })?;
            }
        }
        if response.done() && left == 0 {
            return Ok(outcome);
        }
    }
}

/// How many bytes go on as they are. `None`: that is not the protocol.
fn scan(
    data: &[u8],
    response: &mut Response,
    left: &mut usize,
    outcome: &mut Outcome,
    plain: bool,
    on_ok: &mut (dyn FnMut(&OkPacket) + Send),
) -> Option<(usize, Next)> {
    let mut at = 0;
    loop {
        let now = (*left).min(data.len() - at);
        at += now;
        *left -= now;
        let rest = &data[at..];
        if *left > 0 || response.done() || rest.len() < 4 {
            return Some((at, Next::More));
        }
        let length = payload_length(rest);
        let Some(first) = rest.get(4).or((length == 0).then_some(&0)) else {
            return Some((at, Next::More));
        };
        if !response.may_pass_in_parts(*first, length) && rest.len() < 4 + length {
            return Some((at, Next::More));
        }
        let payload = &rest[4..rest.len().min(4 + length)];
        let is_first = outcome.first.is_empty();
        if is_first {
            outcome
                .first
                .extend_from_slice(&payload[..payload.len().min(16)]);
        }
        let seen = if length == 0 {
            response.see(&[0], 0)
        } else {
            response.see(payload, length)
        };
        *left = 4 + length;
        match seen? {
            Seen::Part => {}
            Seen::Error if is_first && is_read_only(payload) => {
                *left = 0;
                return Some((at, Next::ReadOnly(length)));
            }
            Seen::Error => outcome.refused = true,
            Seen::WantsFile => return Some((at + std::mem::take(left), Next::File)),
            Seen::Ok(ok) => {
                on_ok(&ok);
                if plain && payload.len() != ok.plain.len() {
                    *left = 0;
                    return Some((at, Next::Replace(length, ok.plain)));
                }
            }
        }
    }
}

/// An error that says nothing was done, because the server takes no writes: ER_OPTION_PREVENTS_STATEMENT with
/// `--read-only` or `--super-read-only`, which it is closed by.
fn is_read_only(error: &[u8]) -> bool {
    let code = error
        .get(1..3)
        .map(|code| u16::from_le_bytes([code[0], code[1]]));
    code == Some(1290) && error.windows(9).any(|part| part == b"read-only")
}

/// LOAD DATA LOCAL: the client sends its file, and an empty packet.
async fn upload(client: &mut Wire, server: &mut Wire) -> Result<(), Broken> {
    loop {
        let length = client.packet().await.map_err(|_| Broken::Client)?;
        let sent = server.send(&client.data()[..4 + length]).await;
        client.use_packet();
        sent.map_err(|_| Broken::Server { begun: true })?;
        if length == 0 {
            return Ok(());
        }
    }
}
