//! No password is in the server's log, in ours or in the report.

use ras_tests::{
    Error,
    postgres::{PostgresOptions, PostgresServer, REPORT_LIMIT},
};

use super::given::{Request, assert_done, five};

#[tokio::test]
async fn no_password_is_in_any_log_or_report() -> Result<(), Error> {
    let server = PostgresServer::start(PostgresOptions {
        settings: vec![("log_min_error_statement".to_owned(), "debug5".to_owned())],
        ..PostgresOptions::default()
    })
    .await?;
    let passwords = ["correct-horse-battery", "staple-and-more", "wrong-administrator"];
    let preparation = five("secret").mounted(&server)?;
    let mut runs = Vec::new();
    for password in &passwords[..2] {
        // The second is a change of the first, which the server refuses for a start.
        preparation.password("shared/password", password)?;
        let prepared = preparation.run().await?;
        assert_done(&prepared);
        runs.push(prepared);
    }
    preparation.admin("password", passwords[2])?;
    runs.push(preparation.run().await?);
    assert_eq!(runs[2].code, Some(3));

    // The statements are in the log, so it is the right one.
    let log = server.log();
    assert!(
        log.contains("ALTER ROLE \"secret_authadmin\" LOGIN PASSWORD 'SCRAM-SHA-256$4096:"),
        "{log}"
    );
    for password in passwords {
        assert!(!log.contains(password), "{password} is in the server's log");
        for run in &runs {
            assert!(!run.log.contains(password), "{password} is in our log: {}", run.log);
            assert!(
                !run.message.contains(password),
                "{password} is in the report: {}",
                run.message
            );
        }
    }
    for run in &runs {
        assert!(
            !run.log.contains("SCRAM-SHA-256$"),
            "what could be guessed from is in our log"
        );
        assert!(!run.message.contains("SCRAM-SHA-256$"));
    }
    Ok(())
}

#[tokio::test]
async fn a_long_report_still_fits_into_a_termination_message() -> Result<(), Error> {
    let server = PostgresServer::start(PostgresOptions::default()).await?;
    let long = "a".repeat(40);
    let mut request = Request::of("long");
    for number in 0..24 {
        let name = format!("{long}_{number}");
        request = request
            .database(&name, &name, &["timescaledb"])
            .login(&name, &name, "shared/password");
    }
    let prepared = request.mounted(&server)?.run().await?;
    assert_eq!(prepared.code, Some(3), "{}", prepared.message);
    assert!(prepared.message.len() <= REPORT_LIMIT);
    let count = |list: &str, more: &str| {
        prepared.report[list].as_array().map_or(0, Vec::len) as u64 + prepared.report[more].as_u64().unwrap_or(0)
    };
    assert_eq!(count("problems", "problemsMore"), 24);
    assert_eq!(count("done", "doneMore"), 24 * 4);
    Ok(())
}
