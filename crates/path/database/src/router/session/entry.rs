//! How a client comes in, and how it becomes another user.

use std::sync::Arc;

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{AGAIN, AWAY, BUSY, End, Held, Session, Side, Statements};
use crate::router::lobby::{Guest, PATIENCE};
use crate::router::shared::Shared;
use crate::router::wire::handshake::{Answer, Greeting};
use crate::router::wire::{
    BEFORE_LOGIN, Ok as OkPacket, WHOLE, Wire, capability, error_packet, login,
};

impl Session {
    /// Greets a client, checks who it is and logs in for it. `None`: it did not get in, and was told.
    pub(super) async fn enter(shared: Arc<Shared>, mut client: Wire, guest: Guest) -> Option<Self> {
        client.limit(BEFORE_LOGIN);
        let theirs = match shared.greeting() {
            Some(greeting) => greeting,
            None => match client.while_open(first_greeting(&shared)).await.ok()? {
                Ok(greeting) => greeting,
                Err(error) => {
                    let _ = client.send_payload(0, &error).await;
                    return None;
                }
            },
        };
        let presence = shared.enter();
        let greeting = greet(&theirs, presence.id)?;
        client.send_payload(0, &greeting.write()).await.ok()?;
        let (sequence, payload) = timeout_at(guest.until, client.take_packet())
            .await
            .ok()?
            .ok()?;
        let mut answer = Answer::read(&payload)?;
        answer.capabilities &= greeting.capabilities;
        answer.extended &= greeting.extended;
        let schema = answer.database.clone();
        let plans = shared.known.clone();
        let mut session = Self {
            shared,
            presence,
            client,
            greeting,
            answer,
            place: None,
            primary: None,
            replica: None,
            no_replica: false,
            settings: Vec::new(),
            schema,
            plans,
            pinned: None,
            held: Held::default(),
            waited: false,
            last: Side::Primary,
            statements: Statements::default(),
        };
        let entered = session
            .authenticate(sequence.wrapping_add(1), Some(guest))
            .await;
        matches!(entered, Ok(true)).then_some(session)
    }

    /// Checks the answer, logs in at the primary, and tells the client. `Ok(false)`: it is not let in.
    /// `guest`: it has not come in yet.
    async fn authenticate(&mut self, sequence: u8, guest: Option<Guest>) -> Result<bool, End> {
        let until = guest
            .as_ref()
            .map_or_else(|| Instant::now() + PATIENCE, |guest| guest.until);
        let known = self.shared.known();
        let password = known.password(&self.answer.user);
        let checking = login::check(
            &mut self.client,
            &self.greeting,
            &self.answer,
            password,
            sequence,
            guest.is_some(),
        );
        let checked = timeout_at(until, checking).await;
        let checked = checked.map_err(|_| End::Client)?;
        let (sequence, proven) = checked?;
        if !proven {
            let user = String::from_utf8_lossy(&self.answer.user).into_owned();
            let error = error_packet(
                1045,
                "28000",
                &format!("Access denied for user '{user}' at the router"),
            );
            self.client.send_payload(sequence, &error).await?;
            return Ok(false);
        }
        if guest.is_some() && !self.take_place() {
            let error = error_packet(1040, "08004", "Too many connections at the router");
            self.client.send_payload(sequence, &error).await?;
            return Ok(false);
        }
        drop(guest);
        self.presence.client.is(&self.answer.user);
        match self.connect_held(sequence).await? {
            false => Ok(false),
            true => {
                let status = self.primary.as_ref().map_or(2, |one| one.status);
                let mut ok = vec![0, 0, 0];
                ok.extend_from_slice(&status.to_le_bytes());
                ok.extend_from_slice(&[0, 0]);
                let plain = OkPacket::read(&ok).map_or(ok, |ok| ok.plain);
                self.client.send_payload(sequence, &plain).await?;
                Ok(true)
            }
        }
    }

    /// It has proven who it is: false, where there is no place for it.
    fn take_place(&mut self) -> bool {
        self.client.limit(WHOLE);
        self.place = Arc::clone(&self.shared.places).try_acquire_owned().ok();
        self.place.is_some()
    }

    /// Logs in at the primary; while writes are held, when they are released. Where there is a replica to read from, a
    /// primary that cannot be reached keeps nobody out.
    async fn connect_held(&mut self, sequence: u8) -> Result<bool, End> {
        let known = self.shared.known();
        let readable = known.plan.replicas().next().is_some();
        if readable && (known.plan.hold || self.shared.newest.is_away()) {
            return Ok(true);
        }
        let mut plans = self.shared.known.clone();
        let released = timeout(super::HOLD, plans.wait_for(|known| !known.plan.hold));
        let Ok(Ok(known)) = self
            .client
            .while_open(released)
            .await?
            .map(|one| one.map(|one| Arc::clone(&one)))
        else {
            let error = error_packet(
                1053,
                "08S01",
                "no primary database: a switchover has not ended in time",
            );
            self.client.send_payload(sequence, &error).await?;
            return Ok(false);
        };
        let begun = tokio::time::Instant::now();
        let error = loop {
            // Whoever may only want to read does not wait for a primary that is silent.
            let within = if readable { super::READY } else { AWAY };
            let attempt = timeout(within, self.connect_primary(&known)).await;
            let late = || std::io::Error::from(std::io::ErrorKind::TimedOut).into();
            let attempt = attempt.unwrap_or_else(|_| Ok(Err(late())))?;
            let busy = attempt.as_ref().is_err_and(login::Error::is_busy);
            match attempt {
                Ok(()) => return Ok(true),
                // One that is not away is asked for a place again when that is needed.
                Err(error) if readable && !error.is_away() => return Ok(true),
                Err(_) if busy && begun.elapsed() < BUSY => {
                    let again = tokio::time::sleep(super::AGAIN);
                    self.client.while_open(again).await?;
                }
                Err(login::Error::Refused(error)) => break error,
                Err(_) if readable => {
                    self.shared.newest.set_away(true);
                    return Ok(true);
                }
                Err(error) if begun.elapsed() > AWAY => {
                    break error_packet(
                        1053,
                        "08S01",
                        &format!("the primary database cannot be reached: {error}"),
                    );
                }
                Err(_) => {
                    let again = tokio::time::sleep(super::AGAIN);
                    self.client.while_open(again).await?;
                }
            }
        };
        self.client.send_payload(sequence, &error).await?;
        Ok(false)
    }

    /// COM_CHANGE_USER: a new session on the same connection.
    pub(super) async fn change_user(&mut self, payload: &[u8]) -> Result<bool, End> {
        let answer = Answer::read_change_user(&self.answer, &payload[1..]).ok_or(End::Client)?;
        self.answer = answer;
        self.forget();
        self.primary = None;
        self.schema.clone_from(&self.answer.database);
        // The nonce has been used: another one is sent with the question.
        self.greeting.nonce = nonce().ok_or(End::Client)?;
        self.authenticate(1, None).await
    }
}

/// Our greeting: the server's own version, and of its capabilities those that we can pass on.
fn greet(theirs: &Greeting, id: u32) -> Option<Greeting> {
    let always = capability::MYSQL
        | capability::SESSION_TRACK
        | capability::PLUGIN_AUTH
        | capability::AUTH_LENENC;
    Some(Greeting {
        thread: id,
        nonce: nonce()?,
        capabilities: (theirs.capabilities & capability::PASSED) | always,
        extended: theirs.extended & capability::CACHE_METADATA,
        ..theirs.clone()
    })
}

/// 20 random bytes, none of them zero: some clients read a string.
fn nonce() -> Option<Vec<u8>> {
    let mut bytes = vec![0; 20];
    let filled = getrandom(&mut bytes[..], GetRandomFlags::empty()).ok()?;
    bytes.iter_mut().for_each(|byte| *byte = *byte % 94 + 33);
    (filled == bytes.len()).then_some(bytes)
}

/// Asks the databases how they greet: they greet alike, and the first that answers is as good as any. `Err`: none does, and what
/// its client is told.
async fn first_greeting(shared: &Shared) -> Result<Greeting, Vec<u8>> {
    let begun = Instant::now();
    loop {
        match ask_for_greeting(shared).await {
            Err(login::Error::Refused(_)) if begun.elapsed() < BUSY => sleep(AGAIN).await,
            Err(login::Error::Refused(error)) => return Err(error),
            Err(error @ login::Error::Lack(_)) => {
                return Err(error_packet(1053, "08S01", &error.to_string()));
            }
            Err(_) => {
                let text = "no primary database can be reached: see `terrace status`";
                return Err(error_packet(1053, "08S01", text));
            }
            Ok(greeting) => return Ok(greeting),
        }
    }
}

async fn ask_for_greeting(shared: &Shared) -> Result<Greeting, login::Error> {
    let known = shared.known();
    let mut unsaid = login::Error::Plan("database that answers");
    let mut asking = JoinSet::new();
    for target in &known.plan.targets {
        let address = target.address;
        asking.spawn(timeout(AWAY, async move {
            let mut wire = Wire::new(TcpStream::connect(address).await?)?;
            wire.take_packet().await
        }));
    }
    while let Some(said) = asking.join_next().await {
        match said {
            Ok(Ok(Ok((_, payload)))) => {
                if let Some(greeting) = Greeting::read(&payload) {
                    shared.set_greeting(greeting.clone());
                    return Ok(greeting);
                }
                let refused = login::Error::Refused(login::with_state(payload));
                if refused.is_busy() {
                    unsaid = refused;
                }
            }
            Ok(Ok(Err(error))) => {
                if let Some(lack) = shared.lacks.of(&error) {
                    unsaid = login::Error::Lack(lack);
                }
            }
            _ => {}
        }
    }
    Err(unsaid)
}
