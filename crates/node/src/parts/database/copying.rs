//! A copy of a live database on its way from one server to another.
//!
//! Who wants it asks the donor's node, which listens for it on the donor's own address and says a word that is good
//! once. Over that connection the donor's backup program writes and the other's unpacks, each as the database's own
//! user: the nodes compare the word and pass the connection on.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use terrace_database::failover::{Epoch, Report, Run};
use terrace_database::{Instance, seed};
use terrace_site::plan::Engine;
use terrace_site::wiring::SEED;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Database, STOP_WITHIN};
use crate::node::letters::{self, Letter, Post, Received};

/// A step of the hand-over takes no longer.
const WITHIN: Duration = Duration::from_secs(10);
/// The length of the word.
const WORD: usize = terrace_service::secret::LENGTH;
/// How often the controller hears that it is away.
const TELL: Duration = Duration::from_millis(250);

impl Database {
    /// Replaces its data by a copy of the donor's. When it fails before the copy is adopted, its data is what it was.
    pub(super) async fn reclone(
        &mut self,
        instance: &mut Instance,
        donor: &str,
        epoch: Epoch,
    ) -> anyhow::Result<()> {
        let takes = format!("takes a copy of {donor}'s data");
        let work: Pin<Box<dyn Future<Output = _>>> = match instance.found().engine {
            Engine::Mariadb => {
                let connection = self.ask_for_copy(donor).await?;
                Box::pin(async {
                    instance.stop(STOP_WITHIN).await?;
                    let target = instance.clear_for_copy()?;
                    instance.receive_copy(&target, connection).await?;
                    adopt(instance, epoch).await
                })
            }
            // MySQL's servers copy each other themselves, while both run.
            Engine::Mysql => {
                let member = self.member(instance).context("it has no peers")?;
                Box::pin(async move {
                    let target = instance.clear_for_copy()?;
                    member.clone_into(donor, &target).await?;
                    instance.stop(STOP_WITHIN).await?;
                    adopt(instance, epoch).await
                })
            }
        };
        self.report.reason = takes;
        self.part.reports.tell(vec![self.report.clone()]);
        let (run, pid) = self.meanwhile_down(work).await?;
        self.report.pid = pid.unwrap_or(0);
        self.newborn = false;
        self.was_reborn(run);
        Ok(())
    }

    /// Tells the controller that it is away, for as long as this lasts.
    async fn meanwhile_down<T>(&self, mut work: Pin<Box<dyn Future<Output = T> + '_>>) -> T {
        let mut tick = tokio::time::interval(TELL);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = tick.tick() => self.tell(Report::Down, false),
            }
        }
    }

    async fn ask_for_copy(&mut self, donor: &str) -> anyhow::Result<OwnedFd> {
        self.part.context.post.send(donor, Letter::CopyWanted);
        let answer = async {
            loop {
                let Received { from, letter } = letters::next(&mut self.letters).await;
                match letter {
                    Letter::CopyAt(address, word) if from == donor => return Ok((address, word)),
                    Letter::NoCopy(why) if from == donor => {
                        bail!("{donor} hands out no copy: {why}")
                    }
                    _ => {}
                }
            }
        };
        let answer = tokio::time::timeout(WITHIN, answer).await;
        let (address, word) = answer.with_context(|| format!("{donor} does not answer"))??;
        let dialled = tokio::time::timeout(WITHIN, TcpStream::connect(address)).await;
        let mut stream = dialled
            .map_err(anyhow::Error::from)
            .and_then(|stream| Ok(stream?))
            .with_context(|| format!("{donor} cannot be reached at {address} for a copy"))?;
        stream.write_all(word.as_bytes()).await?;
        descriptor(stream)
    }

    /// Hands out a copy to another server, beside everything else.
    pub(super) fn hand_out_copy(&self, instance: &Instance, to: String) {
        let peers = self.cluster().map(|one| one.peers).unwrap_or_default();
        if !peers.iter().any(|peer| peer.server == to) {
            return;
        }
        let own = instance.listens().iter().find(|one| !one.is_loopback());
        let Some(own) = own.copied() else { return };
        let (settings, processes) = (self.settings(), self.processes.clone());
        let post = self.part.context.post.clone();
        tokio::task::spawn_local(async move {
            let handed = async {
                let stream = offer(&post, own, &to).await?;
                seed::send_copy(&settings, &*processes, stream).await?;
                anyhow::Ok(())
            };
            match handed.await {
                Ok(()) => tracing::info!(to, "a copy of the data was handed out"),
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::warn!(to, why, "no copy was handed out");
                    post.send(&to, Letter::NoCopy(why));
                }
            }
        });
    }
}

/// Its run, and the number of its process.
type Anew = (Option<Run>, Option<u32>);

async fn adopt(instance: &mut Instance, epoch: Epoch) -> anyhow::Result<Anew> {
    instance.adopt_copy(epoch).await?;
    Ok((instance.run(), instance.pid()))
}

/// Listens until the one who knows the word has come.
async fn offer(post: &Post, own: IpAddr, to: &str) -> anyhow::Result<OwnedFd> {
    let address = SocketAddr::new(own, SEED);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on"))?;
    let word = terrace_service::secret::generate().context("there is no randomness")?;
    post.send(to, Letter::CopyAt(address, word.expose().to_owned()));
    let come = async {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let mut said = [0; WORD];
            let read = tokio::time::timeout(WITHIN, stream.read_exact(&mut said)).await;
            if matches!(read, Ok(Ok(_))) && said == *word.expose().as_bytes() {
                return descriptor(stream);
            }
        }
    };
    tokio::time::timeout(WITHIN, come)
        .await
        .with_context(|| format!("{to} did not come for it"))?
}

fn descriptor(stream: TcpStream) -> anyhow::Result<OwnedFd> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream.into())
}
