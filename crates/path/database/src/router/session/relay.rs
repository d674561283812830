//! Passing an answer on, packet boundaries read in place, nothing copied between the two sockets' buffers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::sleep;

use super::AGAIN;
use super::scan::{Next, Outcome, Scan};
use super::statements::Definitions;
use crate::router::newest::Newest;
use crate::router::wire::bytes::{put_packet, put_packets};
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

/// So much is gathered where packets are copied.
const AT_ONCE: usize = 1 << 16;

/// The way of an answer, and who hears of it.
pub struct Relay<'a> {
    pub client: &'a mut Wire,
    pub server: &'a mut Wire,
    /// Trackers are left out.
    pub plain: bool,
    /// Hears of each OK before the client does.
    pub on_ok: &'a mut (dyn FnMut(&OkPacket) + Send),
    /// Is told how far it has come.
    pub progress: &'a Progress,
    /// Says whether the primary is away.
    pub newest: &'a Newest,
}

impl Relay<'_> {
    /// Passes an answer on. `untold`: the definitions that the client is told where the server leaves them out.
    pub async fn pass(
        &mut self,
        response: Response,
        untold: Option<Definitions>,
    ) -> Result<Outcome, Broken> {
        let mut scan = Scan::new(response, self.plain, untold.is_some());
        loop {
            let scanned = scan.next(self.server.data(), self.on_ok);
            let (length, next) = scanned.ok_or_else(|| self.gone())?;
            if length > 0 {
                // A part of it may have gone, whatever comes of the rest.
                self.progress.begin();
                let sent = self.client.send(&self.server.data()[..length]).await;
                sent.map_err(|_| Broken::Client)?;
                self.server.consume(length);
            }
            match next {
                Next::Replace(length, payload) => self.replace(length, &payload).await?,
                Next::ReadOnly(length) => {
                    let error = self.server.data()[4..4 + length].to_vec();
                    let sequence = self.server.data()[3];
                    self.server.consume(4 + length);
                    return Err(Broken::ReadOnly(sequence, error));
                }
                Next::Untold => {
                    let definitions = untold.unwrap_or_default();
                    scan.outcome.refused = self.tell(&mut scan.response, &definitions).await?;
                    scan.outcome.definitions = Some(definitions);
                    return Ok(scan.outcome);
                }
                Next::File => upload(self.client, self.server).await?,
                Next::More if scan.done() => {}
                Next::More => {
                    self.progress.turn();
                    let filled = self.filled().await;
                    self.progress.turn();
                    filled?;
                }
            }
            if scan.done() {
                return Ok(scan.into_outcome());
            }
        }
    }

    /// Waits for more from the server. Where that is a primary that is away, what was sent may not have left this machine:
    /// it is recalled when the client has gone, for it would be carried out when the primary is back.
    async fn filled(&mut self) -> Result<(), Broken> {
        let orphaned = async {
            self.client.closed().await;
            while !self.newest.is_away_now().await {
                sleep(AGAIN).await;
            }
        };
        tokio::select! {
            biased;
            filled = self.server.fill() => return filled.map_err(|_| self.gone()),
            () = orphaned => {}
        }
        self.server.recall();
        Err(Broken::Client)
    }

    fn gone(&self) -> Broken {
        Broken::Server {
            begun: self.progress.begun(),
        }
    }

    /// Sends this payload in the place of the server's next packet.
    async fn replace(&mut self, length: usize, payload: &[u8]) -> Result<(), Broken> {
        let mut out = Vec::with_capacity(payload.len() + 4);
        put_packets(&mut out, self.server.data()[3], payload);
        self.progress.begin();
        self.client.send(&out).await.map_err(|_| Broken::Client)?;
        self.server.consume(4 + length);
        Ok(())
    }

    /// An answer that leaves out definitions which the client does not know: they are put in, and whatever follows has a
    /// later number. That is rare, so packets are copied. Whether it ended with an error.
    async fn tell(
        &mut self,
        response: &mut Response,
        mut definitions: &[u8],
    ) -> Result<bool, Broken> {
        let taken = self.server.take_packet().await;
        let (sequence, mut columns) = taken.map_err(|_| self.gone())?;
        if let Some(follow) = columns.last_mut() {
            *follow = 1;
        }
        let mut out = Vec::new();
        put_packet(&mut out, sequence, &columns);
        let mut later = 0_u8;
        while definitions.len() >= 4 {
            let (packet, rest) = definitions.split_at(4 + payload_length(definitions));
            later = later.wrapping_add(1);
            put_packet(&mut out, sequence.wrapping_add(later), &packet[4..]);
            definitions = rest;
        }
        self.progress.begin();
        let mut refused = false;
        while !response.done() {
            self.progress.turn();
            let taken = self.server.take_packet().await;
            self.progress.turn();
            let (sequence, mut payload) = taken.map_err(|_| self.gone())?;
            let seen = response.see(&payload, payload.len());
            match seen.ok_or_else(|| self.gone())? {
                Seen::Ok(ok) => {
                    (self.on_ok)(&ok);
                    if self.plain {
                        payload = ok.plain;
                    }
                }
                Seen::Error => refused = true,
                Seen::Part | Seen::Bare | Seen::WantsFile => {}
            }
            put_packet(&mut out, sequence.wrapping_add(later), &payload);
            let next = self.server.data();
            let is_whole = next.len() >= 4 && next.len() - 4 >= payload_length(next);
            if response.done() || !is_whole || out.len() >= AT_ONCE {
                self.client.send(&out).await.map_err(|_| Broken::Client)?;
                out.clear();
            }
        }
        Ok(refused)
    }
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
