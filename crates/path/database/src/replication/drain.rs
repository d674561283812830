//! Waiting for the transactions that are open on a primary before it is closed: whoever is in the middle of one then
//! could only begin it again. New ones are kept away meanwhile by the routers, so only those of the first look count.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::time::{Instant, sleep};

use super::member::Error;
use super::statements;

/// How long open transactions are waited for.
const DRAINS: Duration = Duration::from_secs(2);

/// Between two looks: within a tenth of a second the server tells what it told before.
const LOOK: Duration = Duration::from_millis(110);

/// An open transaction: its connection, when it began, and for how many seconds it has been open.
type Open = (u64, String, i64);

/// Waits until the transactions that are open now have ended.
pub(super) async fn drain(conn: &mut Conn) -> Result<(), Error> {
    let deadline = Instant::now() + DRAINS;
    let mut open = look(conn).await?;
    while !open.is_empty() {
        if Instant::now() >= deadline {
            return Err(Error::StayOpen(open.len(), oldest(&open)));
        }
        sleep(LOOK).await;
        let now = look(conn).await?;
        // A connection that ended one and began another at once counts no longer, as soon as the second has passed.
        open = now.into_iter().filter(|one| is_among(one, &open)).collect();
    }
    Ok(())
}

async fn look(conn: &mut Conn) -> Result<Vec<Open>, Error> {
    Ok(conn.query(statements::OPEN_TRANSACTIONS).await?)
}

fn is_among(one: &Open, open: &[Open]) -> bool {
    open.iter()
        .any(|other| (one.0, &one.1) == (other.0, &other.1))
}

fn oldest(open: &[Open]) -> i64 {
    open.iter().map(|one| one.2).max().unwrap_or_default()
}
