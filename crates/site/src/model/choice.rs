//! Settings that are one word of a few.

use serde::{Deserialize, Serialize};

/// A setting that is one word of a few.
pub trait Choice: Copy + 'static {
    /// What is chosen: `a way to balance`.
    const WHAT: &'static str;
    /// Every word and what it means.
    const ALL: &'static [(&'static str, Self)];
    /// What each word means, in the order of [`ALL`](Self::ALL).
    const ABOUT: &'static [&'static str];
}

/// Declares a choice: its words stand beside its variants.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident: $what:literal { $(#[doc = $doc:literal] $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $(#[doc = $doc] #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The file's word for it.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl Choice for $name {
            const WHAT: &'static str = $what;
            const ALL: &'static [(&'static str, Self)] = &[$(($word, $name::$variant),)*];
            const ABOUT: &'static [&'static str] = &[$($doc,)*];
        }
    };
}

choice! {
    /// How a balancer chooses among the servers of the next tier.
    Balance: "a way to balance" {
        /// Each in turn, by weight.
        RoundRobin = "round-robin",
        /// The one with the fewest requests in flight.
        LeastConnections = "least-connections",
        /// The better of two that are drawn.
        Random = "random",
        /// By the visitor's address: the same visitor meets the same server.
        Source = "source",
    }
}

choice! {
    /// What makes a visitor come back to the same server.
    Stick: "a way to stick" {
        /// A cookie of the balancer's.
        Cookie = "cookie",
        /// The visitor's address.
        Source = "source",
    }
}

choice! {
    /// How an address moves from one server to another.
    Move: "a way to move" {
        /// VRRP, RFC 9568.
        Vrrp = "vrrp",
    }
}

choice! {
    /// Whether a member of a tier is used from the start.
    MemberState: "a state" {
        /// It takes its share.
        Active = "active",
        /// It is used while no active one is healthy.
        Backup = "backup",
    }
}

choice! {
    /// When a write is acknowledged.
    Ack: "a way to acknowledge" {
        /// When it is on a replica; with none left the primary goes on alone, said loudly.
        Replica = "replica",
        /// When it is on a replica; with none left writes wait.
        Always = "always",
        /// At once.
        None = "none",
    }
}

choice! {
    /// Where reads go.
    Reads: "a way to read" {
        /// To replicas that have the reader's own writes.
        OwnWrites = "own-writes",
        /// To the primary.
        Primary = "primary",
        /// To any.
        Any = "any",
    }
}

choice! {
    /// Who issues the site's certificate.
    IssuerWord: "an issuer" {
        /// The site's own authority: browsers warn unless they trust it.
        Own = "own",
        /// A public authority, by ACME.
        Acme = "acme",
    }
}

choice! {
    /// How our own servers talk to each other.
    Inside: "a way to talk inside" {
        /// Mutual TLS.
        Mutual = "mutual",
        /// In the clear.
        Plain = "plain",
    }
}

impl Choice for crate::plan::Engine {
    const WHAT: &'static str = "an engine";
    const ALL: &'static [(&'static str, Self)] = &[
        ("mariadb", crate::plan::Engine::Mariadb),
        ("mysql", crate::plan::Engine::Mysql),
    ];
    const ABOUT: &'static [&'static str] = &["MariaDB Server.", "MySQL Server."];
}
