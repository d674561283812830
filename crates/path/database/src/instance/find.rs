//! Looking for a text wherever an app may have put it.
//!
//! Whoever proves that nothing acknowledged was lost knows what was posted, and not in which table an app keeps it. So
//! every column of text of the site's database is searched. It reads whole tables: nothing for a site at work.

use super::accounts::quote;
use super::error::Error;
use super::life::Instance;

const DOING: &str = "search the site's database";

impl Instance {
    /// Every value that contains this text.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn find(&mut self, text: &str) -> Result<Vec<String>, Error> {
        let question = searches(&self.plan.database, text);
        let searches = self.control.column(DOING, question).await?;
        let mut found = Vec::new();
        for search in searches {
            found.extend(self.control.column(DOING, search).await?);
        }
        Ok(found)
    }
}

/// Asks for the statements that search: one for each column of text.
fn searches(database: &str, text: &str) -> String {
    let (database, text) = (quote(database), quote(text));
    let name = |column: &str| format!("CONCAT('`', REPLACE({column}, '`', '``'), '`')");
    let (column, schema, table) = (
        name("COLUMN_NAME"),
        name("c.TABLE_SCHEMA"),
        name("c.TABLE_NAME"),
    );
    format!(
        "SELECT CONCAT('SELECT ', {column}, ' FROM ', {schema}, '.', {table}, ' WHERE INSTR(', {column}, ', ', QUOTE({text}), ') > 0') \
         FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) \
         WHERE c.TABLE_SCHEMA = {database} AND t.TABLE_TYPE = 'BASE TABLE' \
         AND DATA_TYPE IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'json')"
    )
}
