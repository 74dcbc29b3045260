//! A bad network between the operator and the API server.

use std::time::{Duration, Instant};

use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, RecordingProxy, Shared, TestEnv, cluster, eventually};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec: {services: [{name: web, image: registry.example.com/web:1}]}
";

/// The shortest back-off of a drive after six failures in a row.
const BACK_OFF: Duration = Duration::from_secs(16);

/// Lines of the operator's log with all of these in them.
fn lines(test_env: &TestEnv, texts: &[&str]) -> usize {
    let log = test_env.operator.log();
    log.lines()
        .filter(|line| texts.iter().all(|text| line.contains(text)))
        .count()
}

async fn logged(test_env: &TestEnv, count: usize, texts: &[&str]) -> Result<(), Error> {
    eventually(
        PATIENCE,
        &format!("{count} lines with {texts:?}"),
        async || match lines(test_env, texts) {
            seen if seen >= count => Ok(()),
            seen => Err(format!("{seen}").into()),
        },
    )
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))
}

#[tokio::test]
async fn a_drive_is_ready_soon_after_an_outage_of_which_little_was_said() -> Result<(), Error> {
    let cluster = cluster().await?;
    let description = cluster.description();
    let mut proxy = RecordingProxy::start(&description.server, &description.certificate_authority).await?;
    let options = OperatorOptions::with_roles(ROLES).by_way_of(proxy.url());
    let mut test_env = TestEnv::with(Shared::All(cluster), "network", &options).await?;
    test_env.operator.logs(PATIENCE, "\"ready\"").await?;
    let asked = |proxy: &RecordingProxy| {
        let requests = proxy.requests();
        requests.iter().filter(|head| head.contains("GET /readyz")).count()
    };
    assert_eq!(asked(&proxy), 0, "while nobody fails nothing is asked");

    // It is heard of the drive, and nothing can be made.
    proxy.down_but_for_watches().await;
    test_env.apply(DRIVE).await?;
    let failed = ["reconcile failed", "/spring"];
    logged(&test_env, 4, &failed).await?;
    proxy.down().await;
    logged(&test_env, 6, &failed).await?;
    proxy.up().await?;
    let healed = Instant::now();
    test_env.ready("spring").await?;
    let took = healed.elapsed();
    assert!(took < BACK_OFF / 2, "{took:?}");
    // Usually one. A request that failed in that very moment asks once more.
    let questions = asked(&proxy);
    assert!((1..=2).contains(&questions), "{questions}");

    for kind in ["\"Deployment\"", "\"Pod\"", "\"RecruitmentDrive\""] {
        logged(&test_env, 1, &["watch recovered", kind]).await?;
        assert_eq!(lines(&test_env, &["watch fails", "nothing is lost", kind]), 1, "{kind}");
        assert_eq!(lines(&test_env, &["watch still fails", kind]), 0, "{kind}");
    }
    assert_eq!(
        lines(&test_env, &["kube_client"]),
        0,
        "its own lines are one for each request"
    );
    assert_eq!(lines(&test_env, &["the API server is not reached"]), 1);
    assert_eq!(lines(&test_env, &["the API server is reached again"]), 1);
    Ok(())
}
