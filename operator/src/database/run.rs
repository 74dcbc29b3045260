//! The edge to the container: files in, termination message and exit code out.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::database::report::{Cause, ExitCode, Problem, Report};
use crate::database::request::Request;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Options {
    /// File with the request.
    pub request: PathBuf,
    /// Folder with the administrator's connection.
    pub admin: PathBuf,
    /// Folder with the files of passwords.
    pub passwords: PathBuf,
    /// Where the report goes.
    pub report: PathBuf,
    /// How long to try again what may pass.
    pub patience: Duration,
}

/// Does what is asked, and says so on standard error and in the report.
#[allow(clippy::unused_async, reason = "the server is not spoken to yet")]
pub async fn run(options: Options) -> ExitCode {
    let report = prepare(&options);
    for problem in &report.problems {
        tracing::error!(cause = ?problem.cause, database = problem.database, role = problem.role, "{}", problem.message);
    }
    if let Err(error) =
        std::fs::File::create(&options.report).and_then(|mut file| file.write_all(report.message().as_bytes()))
    {
        tracing::error!("{} cannot be written: {error}", options.report.display());
    }
    report.exit_code()
}

fn prepare(options: &Options) -> Report {
    let text = std::fs::read_to_string(&options.request).map_err(|error| error.to_string());
    let message = match text.and_then(|text| Request::parse(&text)) {
        Ok(_) => "this build only reads requests".to_owned(),
        Err(error) => format!("{}: {error}", options.request.display()),
    };
    Report {
        problems: vec![Problem {
            cause: Cause::BadRequest,
            database: None,
            role: None,
            message,
        }],
        ..Report::default()
    }
}
