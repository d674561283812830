//! MariaDB and MySQL: one instance of the site's database.
