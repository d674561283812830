//! Brings a server that answers to what its plan says: writes, the site's database, its accounts.
//!
//! Asks first, and writes only what differs: what is written here is in the binary log, and every replica
//! carries it out. So only the primary settles; the others get it from there.

use std::collections::BTreeSet;

use terrace_site::plan::{DatabaseUser, Engine};

use super::accounts;
use super::error::Error;
use super::home::{self, Record};
use super::life::Instance;
use crate::replication::statements;

/// What the account statements are for, as an error says it.
const ACCOUNTS: &str = "settle the site's accounts";

impl Instance {
    /// Opens or closes it for writes. Closing waits for a second at most for writes under way.
    ///
    /// # Errors
    /// When the server does not carry it out.
    pub async fn set_writes(&mut self, open: bool) -> Result<(), Error> {
        let statements: &[&str] = match (self.found.engine, open) {
            (Engine::Mariadb, true) => &["SET GLOBAL read_only=0"],
            (Engine::Mariadb, false) => &[
                "SET lock_wait_timeout=1",
                "SET GLOBAL read_only=1",
                "SET lock_wait_timeout=DEFAULT",
            ],
            (Engine::Mysql, true) => &["SET GLOBAL super_read_only=0", "SET GLOBAL read_only=0"],
            (Engine::Mysql, false) => &[
                "SET lock_wait_timeout=1",
                "SET GLOBAL super_read_only=1",
                "SET lock_wait_timeout=DEFAULT",
            ],
        };
        let doing = if open { "take writes" } else { "refuse writes" };
        let statements = statements.iter().map(|statement| (*statement).to_owned());
        self.control.carry_out(doing, statements).await
    }

    /// Brings a server that answers to what the plan says: writes, the database, the accounts.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        if self.record.primary && !self.controlled {
            self.set_writes(true).await?;
            self.settle_database().await?;
            self.settle_accounts().await?;
        }
        let mut record = self.record.clone();
        record.version = record.version.max(self.found.version);
        self.remember(record)
    }

    /// The controller is about to open it: brings the database and the accounts to what the plan says, and
    /// remembers that it is the primary. Apps stay kept out.
    ///
    /// # Errors
    /// When the server does not carry it out.
    pub async fn opens(&mut self) -> Result<(), Error> {
        let mut record = self.record.clone();
        record.primary = true;
        self.remember(record)?;
        let asks = statements::is_closed(self.found.engine).to_owned();
        let closed = self.control.column(ACCOUNTS, asks).await? == ["1"];
        self.set_ajar(closed, true).await?;
        let settled = async {
            self.settle_database().await?;
            self.settle_accounts().await
        };
        let settled = settled.await;
        self.set_ajar(closed, false).await?;
        settled
    }

    /// A server that is closed, so that Terrace itself can write.
    async fn set_ajar(&mut self, closed: bool, ajar: bool) -> Result<(), Error> {
        let statement = statements::set_ajar(self.found.engine, ajar).filter(|_| closed);
        self.control.carry_out(ACCOUNTS, statement).await
    }

    /// The controller has made another one primary.
    ///
    /// # Errors
    /// When it cannot be remembered.
    pub fn demoted(&mut self) -> Result<(), Error> {
        let mut record = self.record.clone();
        record.primary = false;
        self.remember(record)
    }

    async fn settle_database(&mut self) -> Result<(), Error> {
        let doing = "make the site's database";
        let create = accounts::create_database(&self.plan.database);
        let there = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA".to_owned();
        if self
            .control
            .column(doing, there)
            .await?
            .contains(&self.plan.database)
        {
            return Ok(());
        }
        self.control.carry_out(doing, [create]).await
    }

    async fn settle_accounts(&mut self) -> Result<(), Error> {
        let users = self.plan.users.clone();
        let wanted: BTreeSet<String> = users.iter().map(|user| user.name.clone()).collect();
        let mut record = self.record.clone();
        // Recorded before they are made, so that none is ever forgotten.
        record.accounts.extend(wanted.iter().cloned());
        self.remember(record.clone())?;
        for user in &users {
            self.settle_account(user).await?;
        }
        for gone in record.accounts.difference(&wanted) {
            let hosts = self.hosts(gone).await?;
            let statements = accounts::drop_user(gone, hosts.iter().map(String::as_str));
            self.control.carry_out(ACCOUNTS, statements).await?;
        }
        record.accounts = wanted;
        self.remember(record)
    }

    async fn settle_account(&mut self, user: &DatabaseUser) -> Result<(), Error> {
        let database = self.plan.database.clone();
        let password = self.settings.secrets.read_or_generate(&user.password.0)?;
        let wanted = accounts::hosts(&self.plan.listen);
        let current = self.hosts(&user.name).await?;
        let everywhere =
            current.len() == wanted.len() && wanted.iter().all(|host| current.contains(*host));
        if everywhere && self.control.lets_in(&user.name, &password, &database).await {
            return Ok(());
        }
        let statements = accounts::settle_user(&database, &user.name, &password, &wanted, &current);
        self.control.carry_out(ACCOUNTS, statements).await
    }

    /// From where an account may log in now.
    async fn hosts(&mut self, user: &str) -> Result<BTreeSet<String>, Error> {
        let question = accounts::current_hosts(user);
        let hosts = self.control.column(ACCOUNTS, question).await?;
        Ok(hosts.into_iter().collect())
    }

    fn remember(&mut self, record: Record) -> Result<(), Error> {
        if record != self.record {
            home::write(&self.settings.directories.data(), &record)?;
            self.record = record;
        }
        Ok(())
    }
}
