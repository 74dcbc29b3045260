use std::str::FromStr;

use crate::Error;

/// The versions that `tests/control-plane` has a Go module for: the oldest and the newest that the operator supports.
const KNOWN: [(&str, &str); 2] = [("1.34", "1.34.4"), ("1.37", "1.37.2")];

/// A Kubernetes version these tests can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubernetesVersion {
    minor: &'static str,
    full: &'static str,
}

impl KubernetesVersion {
    /// The default version.
    pub const NEWEST: Self = Self {
        minor: "1.37",
        full: "1.37.2",
    };

    /// The one that `K8S_VERSION` names, or the newest.
    pub fn from_environment() -> Result<Self, Error> {
        match std::env::var("K8S_VERSION") {
            Ok(wanted) if !wanted.is_empty() => wanted.parse(),
            _ => Ok(Self::NEWEST),
        }
    }

    /// Such as `1.37`: the name of its folder of programs.
    pub fn minor(self) -> &'static str {
        self.minor
    }

    /// All there are, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.into_iter().map(|(minor, full)| Self { minor, full })
    }

    /// Such as `1.37.2`.
    pub fn full(self) -> &'static str {
        self.full
    }
}

impl FromStr for KubernetesVersion {
    type Err = Error;

    /// Accepts `1.37`, `v1.37`, `1.37.2` and `v1.37.2`, as `build.sh` does.
    fn from_str(wanted: &str) -> Result<Self, Error> {
        let bare = wanted.strip_prefix('v').unwrap_or(wanted);
        Self::all()
            .find(|version| bare == version.minor || bare == version.full)
            .ok_or_else(|| Error::UnknownVersion {
                wanted: wanted.to_owned(),
                supported: KNOWN.map(|(minor, _)| minor).join(", "),
            })
    }
}
