//! One request: a connection, new or one that waited, and a whole answer or what went wrong.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Kind, Load, Outcome};

type Connection = SendRequest<Full<Bytes>>;

/// Sends requests of one kind.
pub(super) struct Visitor {
    load: Rc<Load>,
    kind: usize,
    idle: RefCell<Vec<Connection>>,
}

/// A connection that waited was closed before the server can have seen the request.
struct Stale;

impl Visitor {
    pub(super) fn new(load: Rc<Load>, kind: usize) -> Self {
        Self {
            load,
            kind,
            idle: RefCell::default(),
        }
    }

    fn kind(&self) -> &Kind {
        &self.load.kinds[self.kind]
    }

    /// The number of a request, by its place.
    pub(super) fn number(&self, place: u32) -> u64 {
        self.load.first + u64::from(place)
    }

    /// What became of a request, and whether it was sent twice.
    pub(super) async fn ask(&self, number: u64) -> (Outcome, bool) {
        let mut again = false;
        let outcome = tokio::time::timeout(self.load.patience, self.whole(number, &mut again))
            .await
            .unwrap_or(Outcome::Late);
        (outcome, again)
    }

    async fn whole(&self, number: u64, again: &mut bool) -> Outcome {
        // As browsers do: what was read over a connection that just then closed is asked again, once.
        if let Some(waiting) = self.waiting() {
            match self.over(waiting, number, true).await {
                Ok(outcome) => return outcome,
                Err(Stale) => *again = true,
            }
        }
        match self.connect().await {
            Ok(new) => self.over(new, number, false).await.unwrap_or(Outcome::Cut),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Outcome::Refused,
            Err(_) => Outcome::Unreachable,
        }
    }

    fn waiting(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| !connection.is_closed());
        idle.pop().filter(SendRequest::is_ready)
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.load.target).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            // Its error is told to whoever sent the request, too.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn over(
        &self,
        mut connection: Connection,
        number: u64,
        waited: bool,
    ) -> Result<Outcome, Stale> {
        let repeatable = waited && self.kind().form.is_none();
        let Some(request) = self.request(number) else {
            return Ok(Outcome::Unreachable);
        };
        let response = match connection.send_request(request).await {
            Ok(response) => response,
            Err(error) if repeatable || error.is_canceled() => {
                tracing::debug!(%error, "a connection that waited was closed");
                return Err(Stale);
            }
            Err(_) => return Ok(Outcome::Cut),
        };
        let status = response.status().as_u16();
        if response.into_body().collect().await.is_err() {
            return Ok(Outcome::Broken);
        }
        if self.kind().keep_alive && !connection.is_closed() {
            self.idle.borrow_mut().push(connection);
        }
        Ok(Outcome::Answered(status))
    }

    fn request(&self, number: u64) -> Option<Request<Full<Bytes>>> {
        let kind = self.kind();
        let request = Request::builder()
            .uri(&kind.path)
            .header(HOST, &self.load.host)
            .header(USER_AGENT, "terrace-load")
            .header(ACCEPT, "*/*");
        let request = match &kind.form {
            None => request.body(Full::default()),
            Some(form) => request
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::from(form.replace("{number}", &number.to_string()))),
        };
        request.ok()
    }
}
