use serde::{Deserialize, Serialize};

/// What is to be done to one program of a running control plane. The program `control-plane` reads orders from its stdin, one a
/// line (`{"what":"killed","program":"kubelet"}`), and answers each with a line that is empty, or says what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What is to become of it.
    pub what: Fate,
    /// The name of its executable, such as `kubelet`.
    pub program: String,
}

/// What can become of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// SIGKILL, to it alone and not to what it started.
    Killed,
    /// Started again as it was started first.
    Started,
}
