//! The network of a rehearsal: one bridge in a namespace of its own, without an uplink, and a cable from it to
//! each host. Every address is on the wire itself, so the site's real addresses need no router.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use futures_util::TryStreamExt;
use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkMessage};
use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};

const BRIDGE: &str = "wire";
const CABLE: &str = "eth0";

/// Why a network cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a network namespace cannot be made or entered: {0}")]
    Namespace(io::Error),
    #[error("{what}: {why}")]
    Netlink { what: String, why: rtnetlink::Error },
    #[error("the interface {0} is not there")]
    Missing(String),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Namespace(error)
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Error {
    move |why| Error::Netlink {
        what: what.into(),
        why,
    }
}

/// The bridge, and the namespace that holds it.
pub(crate) struct Wire {
    namespace: OwnedFd,
}

impl Wire {
    /// A bridge with nothing plugged in.
    pub(crate) async fn new() -> Result<Self, Error> {
        let namespace = new_namespace().await?;
        within(&namespace, async |handle: Handle| {
            let bridge = LinkBridge::new(BRIDGE).up().build();
            handle
                .link()
                .add(bridge)
                .execute()
                .await
                .map_err(failed("the bridge cannot be made"))
        })
        .await?;
        Ok(Self { namespace })
    }

    /// A host's network: a cable to the bridge, and these addresses.
    pub(crate) async fn plug(&self, number: usize, addresses: &[IpAddr]) -> Result<OwnedFd, Error> {
        let host = new_namespace().await?;
        let far_end = host.as_raw_fd();
        within(&self.namespace, async move |handle: Handle| {
            let bridge = index(&handle, BRIDGE).await?;
            let cable = LinkMessageBuilder::<LinkVeth>::new(&format!("host{number}"), CABLE)
                .set_info_data(InfoData::Veth(InfoVeth::Peer(peer(far_end))))
                .controller(bridge)
                .up()
                .build();
            handle
                .link()
                .add(cable)
                .execute()
                .await
                .map_err(failed("a cable cannot be made"))
        })
        .await?;
        let addresses = addresses.to_vec();
        within(&host, async move |handle: Handle| {
            dress(&handle, &addresses).await
        })
        .await?;
        Ok(host)
    }
}

impl Wire {
    /// Takes a host's cable out at the bridge, or puts it in again: the host itself notices nothing but silence.
    pub(crate) async fn cable(&self, number: usize, up: bool) -> Result<(), Error> {
        within(&self.namespace, async move |handle: Handle| {
            let name = format!("host{number}");
            let link = LinkUnspec::new_with_index(index(&handle, &name).await?);
            let link = if up { link.up() } else { link.down() };
            handle
                .link()
                .set(link.build())
                .execute()
                .await
                .map_err(failed(format!("the cable {name} cannot be switched")))
        })
        .await
    }
}

/// The end of a cable that appears in another namespace.
fn peer(namespace: i32) -> LinkMessage {
    let mut peer = LinkMessageBuilder::<LinkUnspec>::new().name(CABLE).build();
    peer.attributes.push(LinkAttribute::NetNsFd(namespace));
    peer
}

/// Loopback up, the addresses on the cable, and everything reachable on it.
async fn dress(handle: &Handle, addresses: &[IpAddr]) -> Result<(), Error> {
    for name in ["lo", CABLE] {
        let up = LinkUnspec::new_with_index(index(handle, name).await?)
            .up()
            .build();
        handle
            .link()
            .set(up)
            .execute()
            .await
            .map_err(failed(format!("{name} cannot be brought up")))?;
    }
    let cable = index(handle, CABLE).await?;
    for address in addresses {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let added = handle.address().add(cable, *address, bits).execute().await;
        added.map_err(failed(format!("{address} cannot be given to a host")))?;
    }
    let first = |four: bool| addresses.iter().find(|address| address.is_ipv4() == four);
    if let Some(IpAddr::V4(source)) = first(true) {
        let route = RouteMessageBuilder::<std::net::Ipv4Addr>::new()
            .output_interface(cable)
            .pref_source(*source);
        let scope = route
            .scope(rtnetlink::packet_route::route::RouteScope::Link)
            .build();
        handle
            .route()
            .add(scope)
            .execute()
            .await
            .map_err(failed("a host's route cannot be made"))?;
    }
    if let Some(IpAddr::V6(source)) = first(false) {
        let route = RouteMessageBuilder::<std::net::Ipv6Addr>::new()
            .output_interface(cable)
            .pref_source(*source)
            .build();
        handle
            .route()
            .add(route)
            .execute()
            .await
            .map_err(failed("a host's route cannot be made"))?;
    }
    Ok(())
}

async fn index(handle: &Handle, name: &str) -> Result<u32, Error> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    match links.try_next().await {
        Ok(Some(link)) => Ok(link.header.index),
        _ => Err(Error::Missing(name.to_owned())),
    }
}

async fn new_namespace() -> Result<OwnedFd, Error> {
    let made = on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(OwnedFd::from(File::open("/proc/thread-self/ns/net")?))
    });
    Ok(made.await?)
}

/// Speaks netlink within a namespace: on a thread of its own, which never serves anything else.
async fn within<F, T>(namespace: &OwnedFd, speak: F) -> Result<T, Error>
where
    F: AsyncFnOnce(Handle) -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    let namespace = namespace.as_fd().try_clone_to_owned()?;
    on_a_thread(move || {
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            speak(handle).await
        }))
    })
    .await?
}

/// Runs this on a thread that ends with it.
fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let started = std::thread::Builder::new()
        .name("namespace".to_owned())
        .spawn(move || {
            // Whoever asked may have gone.
            let _ = tell.send(work());
        });
    async move {
        started?;
        told.await
            .unwrap_or_else(|_| Err(io::Error::other("a thread ended without a word")))
    }
}
