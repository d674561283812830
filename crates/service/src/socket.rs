//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections wait for a role that is busy or being replaced.
const BACKLOG: i32 = 4096;

/// A listener that shares its address with others of the same user, so each worker has one of its own.
///
/// # Errors
/// As bind(2) and listen(2).
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A UDP socket that shares its address likewise.
///
/// # Errors
/// As bind(2).
pub fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    bound(address, Type::DGRAM, Protocol::UDP).map(Into::into)
}

fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        kind.nonblocking(),
        Some(protocol),
    )?;
    socket.set_reuse_port(true)?;
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}
