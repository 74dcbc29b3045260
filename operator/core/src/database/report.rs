//! What was done and what was not: the container's termination message, which the operator reads from the pod's status.
//! It holds no secret. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plain_text::plain_line;

/// Longest termination message that the kubelet keeps, in bytes:
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>.
pub const LONGEST: usize = 4096;

/// The report of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the server in its own words, for instance `15.14`. Absent: it was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// PostgreSQL's system identifier, which initdb generates: it is unique to this server. Absent: the administrator
    /// may not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// The OID of each requested database that exists. A database that is dropped and created again has another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oids: BTreeMap<String, u32>,
    /// Changes in order, such as `created database application`. Empty: nothing had to be changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
    /// How many more of `done` there were, for which there was no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub done_more: usize,
    /// Databases that this drive created and no longer requests. They are retained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_longer_managed: Vec<String>,
    /// How many more of `no_longer_managed` there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub no_longer_managed_more: usize,
    /// Parts of the request that are not fulfilled. Empty: all databases exist and all logins work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// A weakness of the connection, with the next step. Everything works in spite of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// How many more of `problems` there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub problems_more: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's own form")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One thing that is not as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub cause: Cause,
    /// The database it concerns. Absent: all, or none in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The role it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// A sentence for people: the object, and after a colon the next step.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// No server answers at the host and port, or the name does not resolve.
    Unreachable,
    /// The server is starting, stopping or recovering.
    Starting,
    /// The server has no connection left.
    TooManyConnections,
    /// The server takes no writes: it is a standby, or its disk is full.
    ReadOnly,
    /// The server was busy with the same objects for too long.
    Busy,
    /// The connection must be encrypted and the server does not do that.
    TlsRefused,
    /// The server refuses unencrypted connections.
    TlsRequired,
    /// The server requested the password in a form that reveals it, and did not prove its identity.
    UnsafeAuthentication,
    /// The server's certificate is not signed by the authority, is for another host, or has expired.
    CertificateRefused,
    /// The administrator's user name or password is wrong.
    WrongPassword,
    /// The server's rules (`pg_hba.conf`) do not let this user in from here.
    NotLetIn,
    /// The database that the administrator should connect to is not there.
    DatabaseMissing,
    /// The server is older than asked, or is no PostgreSQL.
    WrongVersion,
    /// The administrator may not do what is needed.
    MissingRight,
    /// A file of a Secret is not there.
    MissingKey,
    /// A file of a Secret holds something that cannot be used.
    BadValue,
    /// A role or database of this name exists and has another owner. It was not changed.
    NotOurs,
    /// An extension is not installed on the server.
    ExtensionMissing,
    /// The request itself cannot be read: a mistake of the operator's.
    BadRequest,
    /// The server refused, in its own words.
    Refused,
}

impl Cause {
    /// Every cause there is.
    pub const ALL: [Self; 20] = [
        Self::Unreachable,
        Self::Starting,
        Self::TooManyConnections,
        Self::ReadOnly,
        Self::Busy,
        Self::TlsRefused,
        Self::TlsRequired,
        Self::UnsafeAuthentication,
        Self::CertificateRefused,
        Self::WrongPassword,
        Self::NotLetIn,
        Self::DatabaseMissing,
        Self::WrongVersion,
        Self::MissingRight,
        Self::MissingKey,
        Self::BadValue,
        Self::NotOurs,
        Self::ExtensionMissing,
        Self::BadRequest,
        Self::Refused,
    ];

    /// True if a retry can succeed without any change of the configuration.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Starting | Self::TooManyConnections | Self::ReadOnly | Self::Busy
        )
    }
}

/// How the program ends, for a Job's `podFailurePolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// All is as asked.
    Done,
    /// A part of the request failed and needs a manual action, so a retry is of no use (`FailJob`).
    NeedsSomebody,
    /// A part of the request failed, and a retry can succeed.
    MayPass,
}

impl ExitCode {
    /// Its number: 0, 3 or 4. (1 and 2 are what programs end with that could not even begin.)
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NeedsSomebody => 3,
            Self::MayPass => 4,
        }
    }
}

impl Report {
    /// The identity of a database: system identifier and OID, such as `7450…/16384`. Absent: the server does not show
    /// it.
    pub fn identity(&self, database: &str) -> Option<String> {
        let oid = self.oids.get(database)?;
        let server = self.system_identifier.as_deref().unwrap_or("unknown");
        Some(format!("{server}/{oid}"))
    }

    /// How the program should end.
    pub fn exit_code(&self) -> ExitCode {
        if self.problems.is_empty() {
            ExitCode::Done
        } else if self.problems.iter().any(|problem| problem.cause.may_pass()) {
            ExitCode::MayPass
        } else {
            ExitCode::NeedsSomebody
        }
    }

    /// Reads a termination message. Absent: it is none of ours, for instance because the container was killed.
    pub fn parse(message: &str) -> Option<Self> {
        serde_json::from_str(message).ok().map(Self::plain)
    }

    /// Everything that a server may have had a say in is safe to show.
    #[must_use]
    pub fn plain(mut self) -> Self {
        let lines = |lines: &mut Vec<String>| lines.iter_mut().for_each(|line| *line = plain_line(line, LONGEST));
        lines(&mut self.done);
        lines(&mut self.no_longer_managed);
        self.server_version = self.server_version.map(|version| plain_line(&version, 100));
        self.system_identifier = self.system_identifier.map(|identifier| plain_line(&identifier, 100));
        self.warning = self.warning.map(|warning| plain_line(&warning, 400));
        for problem in &mut self.problems {
            problem.message = plain_line(&problem.message, LONGEST);
        }
        self
    }

    /// The termination message: JSON of at most [`LONGEST`] bytes. Entries that do not fit are counted. Problems are
    /// kept longest, because users need them.
    pub fn message(&self) -> String {
        let mut report = self.clone();
        for problem in &mut report.problems {
            shorten(&mut problem.message, 1000);
        }
        loop {
            let text = serde_json::to_string(&report).unwrap_or_default();
            if text.len() <= LONGEST {
                return text;
            }
            if report.done.pop().is_some() {
                report.done_more += 1;
            } else if report.no_longer_managed.pop().is_some() {
                report.no_longer_managed_more += 1;
            } else if !report.oids.is_empty() {
                // Without them nothing is known to have changed.
                report.oids.clear();
            } else if report.problems.len() > 1 {
                report.problems.pop();
                report.problems_more += 1;
            } else if let Some(problem) = report.problems.first_mut()
                && !problem.message.is_empty()
            {
                let half = problem.message.len() / 2;
                shorten(&mut problem.message, half);
            } else {
                return Self::default().message();
            }
        }
    }
}

const ELLIPSIS: &str = "…";

/// Cuts `text` to at most `longest` bytes, between characters.
fn shorten(text: &mut String, longest: usize) {
    if text.len() <= longest {
        return;
    }
    let mut end = longest.saturating_sub(ELLIPSIS.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    if longest >= ELLIPSIS.len() {
        text.push_str(ELLIPSIS);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(cause: Cause, message: &str) -> Problem {
        Problem {
            cause,
            database: Some("application".to_owned()),
            role: None,
            message: message.to_owned(),
        }
    }

    fn any_report() -> impl Strategy<Value = Report> {
        let text = || "\\PC{0,80}|[\"\\\\\\n\\u{0}ä]{0,1500}";
        let problem =
            (prop::sample::select(Cause::ALL.to_vec()), text(), text()).prop_map(|(cause, object, message)| Problem {
                cause,
                database: Some(object.chars().take(63).collect()),
                role: None,
                message,
            });
        (
            prop::collection::vec(text(), 0..20),
            prop::collection::vec(text(), 0..5),
            prop::collection::vec(problem, 0..12),
        )
            .prop_map(|(done, no_longer_managed, problems)| Report {
                server_version: Some("15.14".to_owned()),
                done,
                no_longer_managed,
                problems,
                ..Report::default()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_report_fits_into_a_termination_message_and_counts_what_it_leaves_out(report in any_report()) {
            let message = report.message();
            prop_assert!(message.len() <= LONGEST);
            let read = Report::parse(&message).expect("can be read back");
            prop_assert_eq!(read.done.len() + read.done_more, report.done.len());
            prop_assert_eq!(
                read.no_longer_managed.len() + read.no_longer_managed_more,
                report.no_longer_managed.len()
            );
            prop_assert_eq!(read.problems.len() + read.problems_more, report.problems.len());
            prop_assert_eq!(read.problems.is_empty(), report.problems.is_empty());
        }

        #[test]
        fn a_short_report_comes_back_whole(done in prop::collection::vec("[a-z ]{0,50}", 0..20)) {
            let report = Report { done, ..Report::default() };
            prop_assert_eq!(Report::parse(&report.message()), Some(report));
        }
    }

    #[test]
    fn the_exit_code_tells_whether_trying_again_helps() {
        let ends = |causes: &[Cause]| {
            let problems = causes.iter().map(|cause| problem(*cause, "")).collect();
            Report {
                problems,
                ..Report::default()
            }
            .exit_code()
        };
        assert_eq!(ends(&[]), ExitCode::Done);
        assert_eq!(ends(&[Cause::WrongPassword]), ExitCode::NeedsSomebody);
        assert_eq!(ends(&[Cause::NotOurs, Cause::Busy]), ExitCode::MayPass);
        assert_eq!(
            [ExitCode::Done, ExitCode::NeedsSomebody, ExitCode::MayPass].map(ExitCode::number),
            [0, 3, 4]
        );
    }

    #[test]
    fn what_somebody_else_wrote_is_no_report() {
        assert_eq!(Report::parse("Error: panic"), None);
        assert_eq!(Report::parse(""), None);
    }
}
