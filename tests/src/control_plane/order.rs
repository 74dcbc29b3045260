use serde::{Deserialize, Serialize};

/// An action on one program of a running control plane. The program `control-plane` reads orders from its stdin, one a
/// line (`{"what":"killed","program":"kubelet"}`), and answers each with an empty line or an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub what: Fate,
    /// The name of its executable, such as `kubelet`.
    pub program: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// SIGKILL, to it alone and not to what it started.
    Killed,
    /// Started again as it was started first.
    Started,
}
