//! A bad network between the operator and the API server.

use std::time::{Duration, Instant};

use ras_tests::{Error, OperatorOptions, PATIENCE, ROLES, Season, Shared, Wire, cluster, eventually};

const DRIVE: &str = "
apiVersion: ras.dev/v1alpha1
kind: RecruitmentDrive
metadata: {name: spring}
spec: {services: [{name: web, image: registry.example.com/web:1}]}
";

/// What a drive's own back-off would let pass at least, after six failures in a row.
const BACK_OFF: Duration = Duration::from_secs(16);

/// Lines of the operator's log with all of these in them.
fn lines(season: &Season, texts: &[&str]) -> usize {
    let log = season.operator.log();
    log.lines()
        .filter(|line| texts.iter().all(|text| line.contains(text)))
        .count()
}

async fn logged(season: &Season, count: usize, texts: &[&str]) -> Result<(), Error> {
    eventually(
        PATIENCE,
        &format!("{count} lines with {texts:?}"),
        async || match lines(season, texts) {
            seen if seen >= count => Ok(()),
            seen => Err(format!("{seen}").into()),
        },
    )
    .await
    .map_err(|error| error.with_log(&season.operator.log()))
}

#[tokio::test]
async fn a_drive_is_ready_soon_after_an_outage_of_which_little_was_said() -> Result<(), Error> {
    let cluster = cluster().await?;
    let description = cluster.description();
    let mut wire = Wire::start(&description.server, &description.certificate_authority).await?;
    let options = OperatorOptions::with_roles(ROLES).by_way_of(wire.url());
    let mut season = Season::with(Shared::All(cluster), "network", &options).await?;
    season.operator.logs(PATIENCE, "\"ready\"").await?;
    let asked = |wire: &Wire| {
        let requests = wire.requests();
        requests.iter().filter(|head| head.contains("GET /readyz")).count()
    };
    assert_eq!(asked(&wire), 0, "while nobody fails nothing is asked");

    // It is heard of the drive, and nothing can be made.
    wire.down_but_for_watches().await;
    season.apply(DRIVE).await?;
    let failed = ["reconcile failed", "/spring"];
    logged(&season, 4, &failed).await?;
    wire.down().await;
    logged(&season, 6, &failed).await?;
    wire.up().await?;
    let healed = Instant::now();
    season.ready("spring").await?;
    let took = healed.elapsed();
    assert!(took < BACK_OFF / 2, "{took:?}");
    // Usually one. A request that failed in that very moment asks once more.
    let questions = asked(&wire);
    assert!((1..=2).contains(&questions), "{questions}");

    for kind in ["\"Deployment\"", "\"Pod\"", "\"RecruitmentDrive\""] {
        logged(&season, 1, &["watch is heard again", kind]).await?;
        assert_eq!(lines(&season, &["watch fails", "nothing is lost", kind]), 1, "{kind}");
        assert_eq!(lines(&season, &["watch still fails", kind]), 0, "{kind}");
    }
    assert_eq!(
        lines(&season, &["kube_client"]),
        0,
        "its own lines are one for each request"
    );
    assert_eq!(lines(&season, &["the API server is not reached"]), 1);
    assert_eq!(lines(&season, &["the API server is reached again"]), 1);
    Ok(())
}
