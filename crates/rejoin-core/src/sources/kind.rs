//! The kinds of sources, and the order in which they join a race.

/// The kinds of sources, in the order in which they join a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Servers the user or the program named.
    Manual,
    /// Servers we remember.
    Cached,
    /// `/dnsaddr` names.
    Dns,
    /// Rendezvous servers.
    Rendezvous,
    /// Lists behind URLs.
    Url,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 5] = [
        Self::Manual,
        Self::Cached,
        Self::Dns,
        Self::Rendezvous,
        Self::Url,
    ];

    /// Whether its sources are dialled, rather than asked by the program.
    pub fn is_dialled(self) -> bool {
        match self {
            Self::Manual | Self::Cached => true,
            Self::Dns | Self::Rendezvous | Self::Url => false,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Cached => "cached",
            Self::Dns => "dns",
            Self::Rendezvous => "rendezvous",
            Self::Url => "url",
        }
    }
}
